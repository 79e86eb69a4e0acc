/** What `notify` and `listen` reject with after the end. */
export function closedError(): Error {
  return new Error("The wake is closed");
}
