let offered: object | null = null;

/** Offers a socket to the next `connect`. `null` withdraws it. @returns the previous one; `null` if it was taken. */
export function offerSocket(socket: object | null): object | null {
  const previous = offered;
  offered = socket;
  return previous;
}

/** Replaces `connect` of `cloudflare:sockets` in the build of the Worker. @throws {TypeError} if no socket is offered. */
export function connect(): object {
  const socket = offerSocket(null);
  if (socket === null) throw new TypeError("No socket is offered to worker-mailer");
  return socket;
}
