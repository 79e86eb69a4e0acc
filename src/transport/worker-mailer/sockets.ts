// Where worker-mailer imports `cloudflare:sockets`, the build of the Worker puts this module in its place.

let offered: object | null = null;

/** Offers a socket to the next `connect`; null withdraws it. @returns whether the last one was not taken. */
export function offerSocket(socket: object | null): boolean {
  const isLeft = offered !== null;
  offered = socket;
  return isLeft;
}

/** Takes the place of `connect` of `cloudflare:sockets`; opens nothing. @throws {TypeError} if no socket is offered. */
export function connect(): object {
  const socket = offered;
  offered = null;
  if (socket === null) throw new TypeError("No socket is offered to worker-mailer");
  return socket;
}
