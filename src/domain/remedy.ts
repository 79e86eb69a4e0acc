/** The one parameter of a definition or test that would mend a failure. */
export interface Remedy {
  readonly parameter: string;
  /** `null` where only the user knows the value. */
  readonly value: string | number | boolean | null;
}
