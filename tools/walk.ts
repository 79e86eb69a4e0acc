import { traceWalk, WALKS } from "../test/walk/trace.ts";

// Prints the files that each walk of src/README.md enters in the running server, in order of first entry.

for (const walk of WALKS) {
  const files = await traceWalk(walk);
  console.log(`${walk}: ${files.length} files`);
  for (const [index, file] of files.entries()) console.log(`  ${index + 1}. ${file}`);
}
