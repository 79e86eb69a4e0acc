import { type AppSettings, createApp, type SealpostApp } from "./app.ts";
import type { Submit } from "./mail/submit.ts";
import { createServices, type Drivers, type InstanceSettings } from "./services.ts";

export interface SealpostOptions extends Drivers, InstanceSettings, AppSettings {}

/** One instance: its HTTP interface and its way to send mail. */
export interface Sealpost extends AsyncDisposable {
  readonly app: SealpostApp;
  readonly submit: Submit;
  /** Migrates the database and checks the keys; once, before the first request. */
  start(): Promise<void>;
}

/** Builds an instance without any I/O. */
export function createSealpost(options: SealpostOptions): Sealpost {
  const services = createServices(options, options);
  return {
    app: createApp(services, options),
    submit: services.submit,
    start: services.start,
    [Symbol.asyncDispose]: services[Symbol.asyncDispose],
  };
}
