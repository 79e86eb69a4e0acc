/** The admin's password in every bench. */
export const PASSWORD = "a bench word";

/** A server in a process of its own. */
export interface Served extends AsyncDisposable {
  readonly origin: string;
  readonly pid: number;
  /** Writes a line to its standard input and waits for one from its standard output. */
  tell(line: string): Promise<string>;
}

export interface ServeOptions {
  /** Settings in addition to the environment of this process. */
  readonly env?: Readonly<Record<string, string>>;
  /** Working directory; default: this one. */
  readonly folder?: string;
}

/** Starts a program that prints where it listens. */
export async function serve(command: readonly string[], options: ServeOptions = {}): Promise<Served> {
  const env = { ...process.env, ...options.env };
  const cwd = options.folder ?? process.cwd();
  const child = Bun.spawn([...command], { cwd, env, stdin: "pipe", stdout: "pipe", stderr: "ignore" });
  const reader = child.stdout.getReader();
  const read = async (isWhole: (text: string) => boolean) => {
    let text = "";
    while (!isWhole(text)) {
      const { value, done } = await reader.read();
      if (done) throw new Error(`${command[0]} ended before it printed the expected line`);
      text += new TextDecoder().decode(value);
    }
    return text;
  };
  const text = await read((said) => /http:\/\/\S+\d\n/.test(said));
  const [origin = ""] = /http:\/\/[^\s/]+/.exec(text) ?? [];
  return {
    origin,
    pid: child.pid,
    async tell(line) {
      child.stdin.write(`${line}\n`);
      await child.stdin.flush();
      return read((said) => said.endsWith("\n"));
    },
    async [Symbol.asyncDispose]() {
      child.kill();
      await child.exited;
    },
  };
}

/** A token of the admin. */
export async function logIn(origin: string): Promise<string> {
  const login = await fetch(`${origin}/auth`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ username: "admin", password: PASSWORD }),
  });
  const { result } = (await login.json()) as { result: { value: { token: string } } };
  return result.value.token;
}

/** Sends a request as the admin; with a body it is a POST. */
export function authorized(url: string, token: string, body?: string): Promise<Response> {
  const headers = { authorization: token, "content-type": "application/json" };
  return fetch(url, body === undefined ? { headers } : { method: "POST", headers, body });
}
