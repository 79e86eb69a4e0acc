/**
 * Resolves or rejects as the work does, within a time. The work itself goes on, and its late result is ignored.
 * @param createError creates the error to reject with if the work takes longer.
 */
export async function withDeadline<T>(
  work: Promise<T>,
  timeoutMs: number,
  createError: () => Error,
): Promise<T> {
  const deadline = Promise.withResolvers<never>();
  const timer = setTimeout(() => deadline.reject(createError()), timeoutMs);
  try {
    return await Promise.race([work, deadline.promise]);
  } finally {
    clearTimeout(timer);
  }
}
