// The build of the Worker replaces `cloudflare:sockets` in worker-mailer with this module.

let offered: object | null = null;

/** Offers a socket to the next `connect`. `null` withdraws it. @returns whether the previous one was not taken. */
export function offerSocket(socket: object | null): boolean {
  const isLeft = offered !== null;
  offered = socket;
  return isLeft;
}

/** Replaces `connect` of `cloudflare:sockets`. Opens nothing. @throws {TypeError} if no socket is offered. */
export function connect(): object {
  const socket = offered;
  offered = null;
  if (socket === null) throw new TypeError("No socket is offered to worker-mailer");
  return socket;
}
