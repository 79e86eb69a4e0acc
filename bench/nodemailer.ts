import nodemailer from "nodemailer";

/** The peer of the benchmarks: nodemailer's pool of connections to a server on this machine, in clear text. */
export function openNodemailerPool(port: number, connections: number) {
  return nodemailer.createTransport({
    host: "127.0.0.1",
    port,
    pool: true,
    maxConnections: connections,
    ignoreTLS: true,
    name: "bench.test",
  });
}
