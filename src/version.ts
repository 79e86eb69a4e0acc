/** Version of the package, as the envelope and the document of the interface say it. */
export const VERSION = "0.1.0";
