import { type Allowed, createDenial, type Denial } from '@countersign/authorization'
import { Admission, type DecidedRequest, isUnchanged } from './admission.ts'
import { type AuthorizerVerdict, createFailure } from './authorizer/answer.ts'
import type { ParsedAuthorizer } from './authorizer/authorizer.ts'
import { AuthorizerCalls } from './authorizer/authorizer-calls.ts'
import { watchDeparture } from './authorizer/departure.ts'
import { createQuestion } from './authorizer/question.ts'
import { PendingCredential } from './credential/pending-credential.ts'
import type { DecisionOutcomes, ServerDecision, Verdict } from './decision-outcomes.ts'
import type { GuardedRequest } from './guarded-request.ts'
import type { Modes } from './modes.ts'
import type { RequestProofs } from './request-proofs.ts'

/** The dependencies of `AuthorizerLayer`. */
export interface AuthorizerParts {
  readonly outcomes: DecisionOutcomes
  readonly modes: Modes
  readonly proofs: RequestProofs
}

/**
 * The last layer: calls the authorizer for requests that all other layers allow. The handler only runs if an answer
 * that allows arrives in time. Nothing here throws, and no promise is rejected.
 */
export class AuthorizerLayer {
  readonly #authorizer: ParsedAuthorizer
  readonly #calls: AuthorizerCalls
  readonly #parts: AuthorizerParts

  constructor(authorizer: ParsedAuthorizer, parts: AuthorizerParts) {
    this.#authorizer = authorizer
    this.#calls = new AuthorizerCalls(authorizer)
    this.#parts = parts
  }

  /** Decides a request that the server allows, if no framework hook decides after it. */
  decideOnServer(
    request: GuardedRequest,
    decided: DecidedRequest,
    allowed: Allowed,
    server: ServerDecision,
    owner: object,
  ): Verdict | Promise<Verdict> {
    return this.#decide({
      request,
      decided,
      allowed,
      routeName: undefined,
      isPublishedAtClose: server.hasResponse,
      findKept: () => Admission.find(request, owner),
      conclude: (denial) => this.#parts.outcomes.settleOnServer(request, decided, denial ?? allowed, server, owner),
    })
  }

  /** Decides a request that the server has admitted and the route allows. */
  resume(request: GuardedRequest, kept: Admission, routeName: string | undefined): Verdict | Promise<Verdict> {
    const { outcomes } = this.#parts
    const { decided, ruling: allowed, hasResponse: isPublishedAtClose } = kept.facts
    return this.#decide({
      request,
      decided,
      allowed,
      routeName,
      isPublishedAtClose,
      findKept: () => kept,
      conclude: (denial) =>
        denial === undefined
          ? outcomes.conclude(request, kept, allowed, routeName)
          : outcomes.settle(request, kept, decided, denial, routeName),
    })
  }

  /**
   * Decides a request whose other layers were all decided in a hook. `kept` is the server's decision, if there is one.
   */
  decide(
    request: GuardedRequest,
    kept: Admission | undefined,
    decided: DecidedRequest,
    allowed: Allowed,
    routeName: string | undefined,
  ): Verdict | Promise<Verdict> {
    return this.#decide({
      request,
      decided,
      allowed,
      routeName,
      isPublishedAtClose: kept?.facts.hasResponse === true,
      findKept: () => kept,
      conclude: (denial) => this.#parts.outcomes.settle(request, kept, decided, denial ?? allowed, routeName),
    })
  }

  /** Returns the denial of a connection without HTTP, which has no request to decide and cannot wait. */
  refuseConnection(): Denial {
    return this.#createUnavailable('it only decides HTTP requests, and this connection does not carry HTTP')
  }

  // Returns a promise if the answer has to be waited for. Audit mode never waits for authenticated callers.
  #decide(asked: AllowedSoFar): Verdict | Promise<Verdict> {
    const { request, decided } = asked
    if (decided.principal !== null && this.#parts.modes.isAuditing()) return this.#audit(asked)
    const departure = watchDeparture(request)
    const settle = (verdict: AuthorizerVerdict): Verdict | Promise<Verdict> => {
      departure.stop()
      // The caller is gone, so the handler must not start. Not reported, because nothing was decided.
      if (departure.signal.aborted) return this.#describe(verdict) ?? this.#createUnavailable('its caller disconnected')
      return this.#settle(asked, verdict)
    }
    const verdict = this.#ask(asked, departure.signal)
    return verdict instanceof Promise ? verdict.then(settle) : settle(verdict)
  }

  // During the call, the caller's credential or permissive mode may have expired.
  #settle(asked: AllowedSoFar, verdict: AuthorizerVerdict): Verdict | Promise<Verdict> {
    const { request, decided } = asked
    const denial = this.#describe(verdict)
    if (denial !== undefined) return asked.conclude(denial)
    if (this.#parts.proofs.isStillProven(request, decided)) return pass(asked)
    const fault = this.#parts.proofs.findChange(request, decided.principal)
    if (fault instanceof PendingCredential) return fault.settled.then(() => this.#settle(asked, verdict))
    if (fault === undefined) return pass(asked)
    return this.#parts.outcomes.report(request, fault, decided.principal?.name, asked.findKept())
  }

  // The handler starts at once. One decision is published, after both the answer and the end of the response.
  #audit(asked: AllowedSoFar): Verdict {
    const { request, decided, allowed, routeName, findKept } = asked
    const { outcomes } = this.#parts
    const before = findKept()
    // With enforcement, the authorizer is not called for a request that an earlier layer denies.
    const isDenied = before?.wouldBe !== undefined || outcomes.findAudited(decided) !== undefined
    if (isDenied || asked.isPublishedAtClose) {
      const verdict = pass(asked)
      const kept = findKept()
      if (!isDenied && kept?.publication === 'at-close') this.#awaitAnswer(kept, this.#askLater(asked))
      return verdict
    }
    if (before !== undefined) {
      before.publication = 'done'
      before.isAuthorized = true
    }
    const publish = outcomes.preparePublication(request, decided, allowed, routeName)
    void this.#askLater(asked).then(publish)
    return decided.principal
  }

  // A denial by a later hook comes after the authorizer, and so does an answer for a rewritten target.
  #awaitAnswer(kept: Admission, asked: Promise<Denial | undefined>): void {
    const { atClose, answer: earlier } = kept
    const answer = Promise.all([asked, earlier]).then(([denial]) => {
      if (kept.answer === answer) kept.answer = undefined
      if (denial === undefined || kept.wouldBe?.reason.startsWith('authorizer_') === true) return
      kept.wouldBe = denial
      kept.atClose = atClose
    })
    kept.answer = answer
  }

  // In its own turn of the event loop, because a synchronous function may also take long.
  async #askLater(asked: AllowedSoFar): Promise<Denial | undefined> {
    const ask = this.#prepare(asked)
    await new Promise((resolve) => setImmediate(resolve))
    return this.#describe(await ask(new AbortController().signal))
  }

  #ask(asked: AllowedSoFar, departed: AbortSignal): AuthorizerVerdict | Promise<AuthorizerVerdict> {
    return this.#prepare(asked)(departed)
  }

  // Read the request now, because a handler may change it.
  #prepare({
    request,
    decided,
  }: AllowedSoFar): (departed: AbortSignal) => AuthorizerVerdict | Promise<AuthorizerVerdict> {
    const { principal, method, target, generation, revision } = decided
    const { rawHeaders } = request
    const facts = { principal, method, path: target.path, rawHeaders, revision: revision.revision }
    const question = createQuestion(facts, this.#authorizer.headers)
    if (question === undefined) return () => createFailure('the path and the headers are too long')
    return (departed) => this.#calls.ask(question, { generation, proxy: principal?.proxy?.name }, departed)
  }

  #describe(verdict: AuthorizerVerdict): Denial | undefined {
    const { outcome } = verdict
    const who = `the authorizer ${this.#authorizer.name}`
    if (outcome === 'allow') return undefined
    if (outcome === 'undefined') return createDenial('authorizer_undefined', `${who} has no result for the request`)
    if (outcome === 'failed') return this.#createUnavailable(verdict.detail)
    return createDenial('authorizer_denied', `${who} denied the request${toReason(verdict.reason)}`)
  }

  #createUnavailable(detail: string): Denial {
    return createDenial('authorizer_unavailable', `the authorizer ${this.#authorizer.name}: ${detail}`)
  }
}

/** A request that all layers before the authorizer allow. */
interface AllowedSoFar {
  readonly request: GuardedRequest
  readonly decided: DecidedRequest
  readonly allowed: Allowed
  readonly routeName: string | undefined
  /** True if `conclude` stores a decision that, in audit mode, is published at the end of the response. */
  readonly isPublishedAtClose: boolean
  /** Concludes the decision, with the denial of the authorizer if there is one. */
  readonly conclude: (denial: Denial | undefined) => Verdict
  /** Returns the stored decision, if there is one. */
  readonly findKept: () => Admission | undefined
}

// A framework hook does not call the authorizer again for the same method and target.
function pass({ request, conclude, findKept }: AllowedSoFar): Verdict {
  const verdict = conclude(undefined)
  const kept = findKept()
  if (kept !== undefined && isUnchanged(kept.facts, request)) kept.isAuthorized = true
  return verdict
}

function toReason(reason: string | undefined): string {
  return reason === undefined ? '' : `: ${reason}`
}
