import { SealpostError } from "../../errors.ts";

export interface ListenOptions {
  readonly host: string;
  readonly port: number;
  readonly answer: (
    request: Request,
    peer: { readonly peerAddress?: string },
  ) => Response | Promise<Response>;
}

/** A server that knows which requests it owes an answer. */
export interface HttpServer {
  readonly url: URL;
  /** Takes no more connections; resolves when every request is answered. */
  finish(): Promise<void>;
  /** Closes the connections that are left, whatever they carry. */
  close(): Promise<void>;
}

/** One for each runtime. @throws {SealpostError} `bad_setting` if the address cannot be listened on. */
export type Listen = (options: ListenOptions) => HttpServer;

/** The requests that are owed an answer. */
export class Owed {
  readonly #answers = new Set<Promise<Response>>();

  add(answer: Promise<Response>): Promise<Response> {
    this.#answers.add(answer);
    const forget = () => this.#answers.delete(answer);
    answer.then(forget, forget);
    return answer;
  }

  /** Resolves when none is left. */
  async settled(): Promise<void> {
    while (this.#answers.size > 0) await Promise.allSettled(this.#answers);
  }
}

/** The error of an address that is taken, or not of this machine. */
export function cannotListen(host: string, port: number, cause: unknown): SealpostError {
  const message = `HOST, PORT: cannot listen on ${host}:${port}; is it in use?`;
  return new SealpostError("bad_setting", message, { cause });
}
