/** The part of Deno's own API that Sealpost uses (https://docs.deno.com/api/deno/). */
declare namespace Deno {
  interface NetAddr {
    readonly hostname: string;
    readonly port: number;
  }

  interface HttpServer {
    readonly addr: NetAddr;
    /** Accepts no more connections, closes idle ones, and resolves when the last one is closed. */
    shutdown(): Promise<void>;
  }

  function serve(
    options: {
      readonly hostname: string;
      readonly port: number;
      /** Without it, Deno prints where it listens. */
      readonly onListen: (address: NetAddr) => void;
    },
    handler: (request: Request, info: { readonly remoteAddr: NetAddr }) => Response | Promise<Response>,
  ): HttpServer;
}
