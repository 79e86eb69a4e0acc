import { benchCheck } from "./check.ts";
import { benchCheckRemote } from "./check-remote.ts";
import { benchDeno } from "./deno.ts";
import { benchDrain } from "./drain.ts";
import { benchEncrypt } from "./encrypt.ts";
import { benchEnqueue, benchEnqueueGrowth } from "./enqueue.ts";
import { benchList } from "./list.ts";
import { benchMailStats } from "./mail-stats.ts";
import { benchMemory } from "./memory.ts";
import {
  benchObject,
  benchObjectAgain,
  benchObjectCold,
  benchObjectLogin,
  benchObjectQueue,
} from "./object.ts";
import { benchObjectMail } from "./object-mail.ts";
import { print } from "./result.ts";
import { benchScale } from "./scale.ts";
import { benchSign } from "./sign.ts";
import { benchStatements } from "./statements.ts";
import { benchTransport } from "./transport.ts";
import { benchWarm } from "./warm.ts";
import { benchWorkersCold, benchWorkersList } from "./workers.ts";

// Each prints a ratio against a named peer or limit of the same run. Absolute times are of this machine and moment.
for (const bench of [
  () => benchList(),
  benchDeno,
  benchWorkersList,
  benchWorkersCold,
  benchObject,
  benchObjectQueue,
  benchObjectCold,
  benchObjectAgain,
  benchObjectLogin,
  benchObjectMail,
  benchSign,
  () => benchEncrypt("rsa"),
  () => benchEncrypt("p256"),
  benchTransport,
  benchWarm,
  benchEnqueue,
  benchEnqueueGrowth,
  () => benchDrain("unsigned"),
  () => benchDrain("signed"),
  benchScale,
  () => benchCheck(1),
  () => benchCheck(8),
  benchCheckRemote,
  benchStatements,
  benchMailStats,
  benchMemory,
])
  for (const result of [await bench()].flat()) print(result);
