/** What of Deno's own interface is used (https://docs.deno.com/api/deno/). */
declare namespace Deno {
  interface NetAddr {
    readonly hostname: string;
    readonly port: number;
  }

  interface HttpServer {
    readonly addr: NetAddr;
    /** Resolves when the last connection is closed. */
    readonly finished: Promise<void>;
    /** Takes no more connections, and closes those that owe nothing. */
    shutdown(): Promise<void>;
  }

  function serve(
    options: {
      readonly hostname: string;
      readonly port: number;
      /** Closes everything at once. */
      readonly signal: AbortSignal;
      /** Otherwise it prints where it listens. */
      readonly onListen: (address: NetAddr) => void;
    },
    handler: (request: Request, info: { readonly remoteAddr: NetAddr }) => Promise<Response>,
  ): HttpServer;
}
