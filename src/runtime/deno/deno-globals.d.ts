/** What of Deno's own interface is used (https://docs.deno.com/api/deno/). */
declare namespace Deno {
  interface NetAddr {
    readonly hostname: string;
    readonly port: number;
  }

  interface HttpServer {
    readonly addr: NetAddr;
    /** Takes no more connections, closes those that owe nothing, and resolves when the last one is closed. */
    shutdown(): Promise<void>;
  }

  function serve(
    options: {
      readonly hostname: string;
      readonly port: number;
      /** Otherwise it prints where it listens. */
      readonly onListen: (address: NetAddr) => void;
    },
    handler: (request: Request, info: { readonly remoteAddr: NetAddr }) => Response | Promise<Response>,
  ): HttpServer;
}
