import type { FailureCode } from "../../../src/domain/delivery.ts";
import { Conversation } from "../../../src/smtp/conversation.ts";
import type { Turn } from "../../../src/smtp/pipeline.ts";
import type { MessageTransfer } from "../../../src/smtp/transaction.ts";
import { UNASKED_CLASSES } from "./behaviors.ts";
import type { Choices } from "./choices.ts";
import { ClientBytes } from "./client-bytes.ts";
import { type Coverage, classOf, type State, stateOf } from "./coverage.ts";
import { chain, type Goal, guide, Incidents } from "./incidents.ts";
import { Knowledge, type ModelStep } from "./knowledge.ts";
import { type Outcome, outcomeOf, outcomeOfCheck } from "./outcomes.ts";
import { EHLO_NAME, stepOf, violationOf } from "./rules.ts";
import { chooseScenario, type Scenario, type Work } from "./scenario.ts";
import { ModelServer } from "./server.ts";

/** More inputs than any conversation needs. One that reaches it does not end. */
const MAX_INPUTS = 2_000;
type Message = Work & { readonly kind: "message" };

const LOSSES = ["closed", "timeout", "network"] as const satisfies readonly FailureCode[];

/** One generated conversation. @throws for each violation of the rules. */
export class ConversationRun {
  readonly #choices: Choices;
  readonly #coverage: Coverage;
  readonly #scenario: Scenario;
  readonly #incidents: Incidents;
  readonly #known: Knowledge;
  readonly #bytes: ClientBytes;
  readonly #server: ModelServer;
  readonly #conversation: Conversation;
  readonly #transfers = new Map<Message, MessageTransfer>();
  #work: Work | null = null;
  #wait: Turn["wait"] = { for: "nothing" };
  #inputs = 0;
  #flights = 1;
  #isLost = false;
  /** The next message, whose commands were written with the end of the current one. */
  #prepared: Message | null = null;
  #rejectsBdat = false;
  /** Number of messages that the server accepted before this one. */
  #acceptedBefore = 0;

  /** @param goal the state to reach. `null`: any that the choices lead to. */
  constructor(choices: Choices, coverage: Coverage, goal: Goal | null = null) {
    this.#choices = choices;
    this.#coverage = coverage;
    const scenario = chooseScenario(choices);
    if (goal !== null) this.#scenario = guide(scenario, goal);
    else this.#scenario = choices.chance(35) ? chain(scenario, choices) : scenario;
    this.#incidents = new Incidents(this.#scenario.incidents);
    this.#known = new Knowledge(this.#scenario.security === "implicit");
    this.#bytes = new ClientBytes(this.#known);
    this.#server = new ModelServer(this.#scenario, choices, this.#incidents, () => this.#isCheck);
    const { security, login } = this.#scenario;
    const redact = (text: string) => text;
    this.#conversation = new Conversation({ ehloName: EHLO_NAME, security, login, redact });
  }

  /** Writes and deliveries, for the report of a failure. */
  readonly transcript: string[] = [];

  run(): void {
    this.#apply(this.#conversation.open(this.#scenario.until));
    this.#untilResult();
    for (const work of this.#scenario.until === undefined ? this.#scenario.work : []) {
      this.#rest();
      if (!this.#mayStart(work)) break;
      this.#known.work++;
      this.#acceptedBefore = this.#server.accepted.length;
      this.#work = work;
      if (this.#prepared !== null && this.#known.due !== null) this.#flights++;
      this.#prepared = null;
      this.#apply(this.#start(work));
      this.#untilResult();
    }
    this.#rest();
    this.#leave();
    assert(this.#conversation.roundTrips === this.#flights, `${this.#conversation.roundTrips} round trips`);
  }

  #mayStart(work: Work): boolean {
    const { isReady, isPrepared, session } = this.#conversation;
    if (this.#prepared !== null) {
      assert(!isReady, "Another message may start where one is prepared");
      return isPrepared;
    }
    return isReady && (work.kind === "message" || session.isReset);
  }

  #start(work: Work): Turn {
    if (work.kind === "check") return this.#conversation.checkAddresses(work.from, work.recipient);
    return this.#conversation.transact(this.#transferOf(work), work);
  }

  #transferOf(work: Message): MessageTransfer {
    const known = this.#transfers.get(work);
    if (known !== undefined) return known;
    const transfer = { ...work, eightBit: work.bytes.some((octet) => octet > 127) };
    this.#transfers.set(work, transfer);
    return transfer;
  }

  /** Lets the commands of the next message leave with the current write. */
  #prepare(): void {
    const next = this.#scenario.work[this.#known.work];
    if (!this.#conversation.mayPrepare || next?.kind !== "message" || this.#choices.chance(40)) return;
    const commands = this.#conversation.prepare(this.#transferOf(next), next);
    if (commands === null) return;
    this.#prepared = next;
    const work = this.#work;
    this.#work = next;
    this.#known.work++;
    this.#write(Buffer.from(commands));
    this.#known.work--;
    this.#work = work;
  }

  #untilResult(): void {
    while (this.#conversation.result === null && !this.#isLost) {
      assert(++this.#inputs < MAX_INPUTS, "The conversation does not end");
      this.#step();
    }
    assert(this.#isLost || this.#wait.for === "nothing", "There is a result, and something is waited for");
    this.#checkOutcome();
  }

  /** One input. */
  #step(): void {
    if (this.#choices.chance(1)) this.#lose();
    else if (this.#wait.for === "tls") this.#handshake();
    else if (this.#wait.for === "drain") this.#drain();
    else if (this.#server.outbox.length > 0) this.#deliver();
    else this.#lose(this.#server.isGone ? "closed" : "timeout");
  }

  #handshake(): void {
    this.#disturb("handshake", 5);
    if (this.#isLost) return;
    if (this.#server.outbox.length > 0) this.#deliver();
    else if (this.#server.isGone) this.#lose("cert_untrusted");
    else {
      this.#known.secure();
      this.#server.secure();
      this.#apply(this.#conversation.secured());
    }
  }

  #drain(): void {
    this.#disturb("message, in part", 10);
    if (this.#isLost) return;
    if (this.#server.outbox.length > 0 && !this.#choices.chance(20)) this.#deliver();
    else this.#apply(this.#conversation.drained());
  }

  /** Between tasks, the server may write and the connection may be lost. */
  #rest(): void {
    if (this.#isLost) return;
    this.#unchanged(() => {
      this.#disturb("next message", 8);
      while (this.#server.outbox.length > 0 && !this.#isLost && !this.#choices.chance(30)) this.#deliver();
    });
  }

  /** Even if no reply is due, the server may write, or the connection may be lost. */
  #disturb(state: State, percent: number): void {
    const incident =
      this.#incidents.take(state) ??
      (this.#choices.chance(percent) ? this.#choices.pick([...UNASKED_CLASSES, "lost"]) : null);
    if (incident === "lost") this.#lose();
    const unasked = UNASKED_CLASSES.find((one) => one === incident);
    if (unasked !== undefined) this.#server.interrupt(unasked);
  }

  /** RSET and QUIT change nothing, whatever the replies. */
  #leave(): void {
    if (this.#prepared !== null) {
      assert(!this.#conversation.mayQuit, "QUIT may be written where the content of a message is due");
      this.#lose();
      return;
    }
    this.#unchanged(() => {
      this.#work = null;
      this.#apply(this.#conversation.quit());
      while (this.#server.outbox.length > 0 && !this.#choices.chance(2)) {
        assert(++this.#inputs < MAX_INPUTS, "The conversation does not end");
        this.#deliver();
      }
      if (this.#known.due !== null) this.#lose();
    });
  }

  #unchanged(act: () => void): void {
    const before = JSON.stringify(this.#conversation.result);
    act();
    const after = JSON.stringify(this.#conversation.result);
    assert(before === after, `A result changed from ${before} to ${after}`);
  }

  #deliver(): void {
    const { length } = this.#server.outbox;
    const isSplit = this.#choices.chance(this.#scenario.splits);
    const octets = isSplit ? 1 + this.#choices.below(this.#choices.chance(30) ? 4 : length) : length;
    const chunk = this.#server.take(octets);
    this.#note("S", chunk);
    const resting = this.#restingState;
    let replied: State | null = null;
    for (const arrival of this.#known.deliver(chunk)) {
      if (arrival.entry !== null) replied = this.#stateOf(arrival.entry.step);
      this.#coverage.add(replied ?? resting, classOf(arrival));
    }
    this.#apply(this.#conversation.receive(chunk));
  }

  #lose(code: FailureCode = this.#choices.pick(LOSSES)): void {
    const { due, silence } = this.#known;
    const state = due === null ? this.#restingState : this.#stateOf(due.step);
    if (silence === null && !this.#isLost) this.#coverage.add(state, "lost");
    this.transcript.push(`lost: ${code}`);
    this.#conversation.lost(code);
    this.#isLost = true;
    this.#known.silence ??= "lost";
  }

  /** Passes a write to the server and verifies that it is allowed. */
  #apply({ write, wait }: Turn): void {
    this.#wait = wait;
    const wasIdle = this.#known.due === null;
    this.#write(write ?? new Uint8Array());
    if (write !== null) this.#prepare();
    if (wasIdle && this.#known.due !== null) this.#flights++;
    const isLeaving = this.#known.entries.some(({ step }) => step === "quit");
    if (this.#conversation.result === null && !isLeaving) this.#checkWait();
  }

  #write(bytes: Uint8Array): void {
    if (bytes.length > 0) this.#note("C", bytes);
    const context = { scenario: this.#scenario, work: this.#work, known: this.#known };
    for (const written of this.#bytes.read(bytes)) {
      const violation = violationOf(written, context);
      assert(violation === null, `Not allowed: ${violation}`);
      if (written.kind === "command") this.#known.write(written.step, written.line);
      else if (written.kind === "chunk" || written.isEnd) this.#known.write(stepOf(written), "");
      this.#server.onWritten(written);
    }
  }

  /** The awaited event can occur, and `lost` ends the wait. */
  #checkWait(): void {
    const { due, isHandshaking, last, silence } = this.#known;
    assert(silence === null, `The conversation goes on, although it ended: ${silence}`);
    const isReal = {
      reply: due !== null,
      tls: isHandshaking,
      drain: last?.step === "data" && last.reply?.code === 354,
      nothing: false,
    }[this.#wait.for];
    assert(isReal, `Waits for ${this.#wait.for}, which does not come`);
  }

  #checkOutcome(): void {
    const { result, session } = this.#conversation;
    const work = this.#work;
    assert(result !== null, "There is no result, though the connection is lost");
    const outcome: Outcome = result.successful ? "successful" : result.failure.outcome;
    const isClosed = !result.successful && outcome === "not-sent" && result.failure.reply?.code === 421;
    assert(!isClosed || result.failure.code !== "protocol", "A 421 is reported as a breach of the protocol");
    if (work === null || work.kind === "check") {
      const expected = outcomeOfCheck(this.#scenario, work, this.#known);
      assert(outcome === expected, `${outcome} instead of ${expected}`);
      return;
    }
    const hasWritten = this.#known.entries.some((entry) => entry.work === this.#known.work);
    const expected = hasWritten ? outcomeOf(this.#known, this.#isLost) : "not-sent";
    assert(outcome === expected, `${outcome} instead of ${expected}: ${JSON.stringify(result)}`);
    const code = this.#known.of("bdat")?.reply?.code ?? 0;
    this.#rejectsBdat ||= [500, 501, 502, 503, 504, 555].includes(code) && !this.#known.isRejected;
    assert(!session.learned.rejectsBdat || this.#rejectsBdat, "BDAT counts as rejected, and was not");
    if (this.#server.isInOrder) this.#checkTruth(work, outcome);
  }

  /** The messages at a server that replies in order. */
  #checkTruth(work: Message, outcome: Outcome): void {
    const accepted = this.#server.accepted.slice(this.#acceptedBefore);
    const [first] = accepted;
    assert(accepted.length <= 1, "The server accepted the message twice");
    assert(outcome !== "successful" || first !== undefined, "successful, and the server did not accept it");
    assert(outcome !== "not-sent" || first === undefined, "not-sent, and the server accepted it");
    if (first === undefined || outcome !== "successful") return;
    const path = (text: string) => Buffer.from(text).toString("latin1");
    const isWhole =
      first.from === path(work.from) &&
      first.recipients.join() === path(work.recipient) &&
      first.text === Buffer.from(work.bytes).toString("latin1");
    assert(isWhole, "The server accepted another message, sender or recipient");
  }

  #note(side: "S" | "C", bytes: Uint8Array): void {
    this.transcript.push(
      `${side}: ${JSON.stringify(Buffer.from(bytes.subarray(0, 100)).toString("latin1"))}`,
    );
  }

  #stateOf(step: ModelStep): State {
    return stateOf(step, this.#known.isTls, this.#isCheck);
  }

  get #isCheck(): boolean {
    return this.#work?.kind === "check";
  }

  get #restingState(): State {
    if (this.#wait.for === "tls") return "handshake";
    return this.#wait.for === "drain" ? "message, in part" : "next message";
  }
}

function assert(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(what);
}
