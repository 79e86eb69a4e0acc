import type { Socket } from "node:net";
import { type HttpClient, HttpError, type HttpRequest } from "../../contracts/http-client.ts";
import type { JointDelivery } from "../../contracts/transport.ts";
import {
  type Checkpoint,
  type DialedAddress,
  type Failure,
  NOTHING_SEEN,
  notSent,
  type ServerReport,
  type SmtpReply,
  type TlsPeer,
} from "../../domain/delivery.ts";
import { presentText, redactor, tokenRedactor } from "../../domain/redact.ts";
import type { ConnectionSettings } from "../../domain/smtp-server.ts";
import type { Result } from "../../smtp/task.ts";
import { getAccessToken } from "../access-token.ts";
import type { HttpConnect } from "../http-target.ts";
import type { DeliveryTimer } from "../smtp/delivery-timer.ts";
import { readTls } from "../sockets.ts";
import type { ApiDriver, ApiLogin, ApiResponse } from "./driver.ts";
import { lossOf, rejectionOf } from "./failure.ts";
import { acceptsMessage } from "./format.ts";

export interface ApiDeps {
  readonly http: HttpClient;
  /** Opens the socket of a check that ends before any request. */
  readonly connect: HttpConnect;
  readonly now: () => Date;
}

type Failed = Extract<Result, { readonly successful: false }>;

/** The responses of the APIs are much shorter. */
const MAX_RESPONSE_BYTES = 65_536;

/** One delivery or check by an API, and its observations of the server. */
export class ApiRun {
  readonly #driver: ApiDriver;
  readonly #deps: ApiDeps;
  readonly #timer: DeliveryTimer;
  readonly #mayTransact: () => boolean;
  readonly #addresses: DialedAddress[] = [];
  #redact: (text: string) => string = (text) => text;

  roundTrips = 0;
  tls: TlsPeer | null = null;
  seen: ServerReport = NOTHING_SEEN;

  constructor(driver: ApiDriver, deps: ApiDeps, timer: DeliveryTimer, mayTransact: () => boolean) {
    this.#driver = driver;
    this.#deps = deps;
    this.#timer = timer;
    this.#mayTransact = mayTransact;
  }

  /** Sends the message. @throws the caller's reason if the timer stops for it. */
  async deliver(delivery: JointDelivery): Promise<Result> {
    const login = await this.#logIn(delivery.server);
    if ("successful" in login) return login;
    const result = await this.#request(await this.#driver.sendRequest(delivery, login), "data");
    if ("successful" in result) return result;
    const reply = this.#replyOf(result);
    if (acceptsMessage(result)) return { successful: true, reply };
    return failed(rejectionOf(this.#driver.name, reply, { ...result, now: login.now }));
  }

  /** Goes up to the checkpoint and sends nothing. @throws the caller's reason if the timer stops for it. */
  async check(server: ConnectionSettings, until: Checkpoint): Promise<Result> {
    if (until === "connect" || until === "tls") return this.#open(this.#driver.urlOf(server));
    const login = await this.#logIn(server);
    if ("successful" in login) return login;
    const request = await this.#driver.loginRequest(server, login);
    const result = await this.#request(request, "auth");
    if ("successful" in result) return result;
    const reply = this.#replyOf(result);
    if (this.#driver.isLoggedIn(result)) return { successful: true, reply };
    const failure = rejectionOf(this.#driver.name, reply, { ...result, now: login.now });
    return failed({ ...failure, ...notSent("auth", failure.code), reply });
  }

  async #logIn(server: ConnectionSettings): Promise<ApiLogin | Failed> {
    const { username, password, tokens } = server;
    const now = this.#deps.now();
    if (!this.#driver.usesToken) {
      this.#redact = redactor(username, password.reveal());
      return { accessToken: null, now };
    }
    if (!tokens) return failed(notSent("oauth", "oauth_client"));
    const result = await getAccessToken(tokens, this.#timer);
    if (!result.successful) return result;
    this.#redact = tokenRedactor(username, result.accessToken.reveal());
    return { accessToken: result.accessToken, now };
  }

  /** @param phase `data` for a request that carries the message: once it is written, it is not canceled. */
  async #request(request: HttpRequest, phase: "auth" | "data"): Promise<ApiResponse | Failed> {
    const timer = this.#timer;
    try {
      const response = await this.#deps.http(request, {
        signal: timer.toSignal(),
        maxResponseBytes: MAX_RESPONSE_BYTES,
        onPhase: (next) => (next === "data" ? this.#start(phase) : timer.enter(next)),
        onDialed: (dialed) => this.#observeAddress(dialed),
        onSocket: (socket) => this.#observeSocket(socket, request.url),
        onComplete: () => phase === "data" && timer.endMessage(),
      });
      this.roundTrips++;
      return { status: response.status, headers: response.headers, body: await response.text() };
    } catch (error) {
      if (error instanceof CanceledError) return failed(notSent("sender", "cancelled"));
      // The status alone decides.
      if (error instanceof HttpError && error.status !== null)
        return { status: error.status, headers: new Headers(), body: null };
      return failed(lossOf(error, timer, phase));
    }
  }

  #start(phase: "auth" | "data"): void {
    if (phase === "data") {
      if (!this.#mayTransact()) throw new CanceledError();
      this.#timer.startPiece();
    }
    this.#timer.enter(phase);
  }

  /** Opens a connection and closes it. */
  async #open(url: URL): Promise<Result> {
    const timer = this.#timer;
    try {
      const socket = await this.#deps.connect(url, {
        signal: timer.toSignal(),
        onPhase: (phase) => timer.enter(phase),
        onDialed: (dialed) => this.#observeAddress(dialed),
      });
      this.#observeSocket(socket, url);
      socket.destroy();
      return { successful: true, reply: null };
    } catch (error) {
      return failed(lossOf(error, timer, "connect"));
    }
  }

  #observeAddress(dialed: DialedAddress): void {
    this.#addresses.push(dialed);
    this.seen = { ...this.seen, addresses: [...this.#addresses] };
  }

  #observeSocket(socket: Socket, url: URL): void {
    const isTls = url.protocol === "https:";
    this.roundTrips += isTls ? 2 : 1;
    if (!isTls) return;
    const { peer, chain } = readTls(socket, this.#deps.now());
    this.tls = peer;
    this.seen = { ...this.seen, chain };
  }

  #replyOf(response: ApiResponse): SmtpReply {
    const text = presentText(this.#driver.readText(response), this.#redact);
    return { code: response.status, enhanced: null, text };
  }
}

function failed(failure: Failure): Failed {
  return { successful: false, failure };
}

/** The caller does not want the message to be sent any more. */
class CanceledError extends Error {}
