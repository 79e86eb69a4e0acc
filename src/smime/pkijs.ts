// The one place that imports pkijs, and all that is used of it: who bundles need not take along the rest.
export { AltName, BasicConstraints, Certificate, type Extension, ExtKeyUsage } from "pkijs";
