import type { Allowed, DecisionRequest, Denial, PathSemantics } from '@countersign/authorization'
import type { GuardedRequest } from './guarded-request.ts'
import type { LayersInForce } from './layers-in-force.ts'
import type { Principal } from './principal/principal.ts'

/** A request with a proven caller and an accepted target, as it is decided. */
export interface DecidedRequest extends DecisionRequest {
  /** Null for an anonymous caller. */
  readonly principal: Principal | null
  /** The generation of the material under which the principal was proven. */
  readonly generation: number
  /** The rules and policies that decide. They stay the same for the whole request. */
  readonly revision: LayersInForce
}

/** The decision that a server made when it emitted a request. */
export interface AdmissionFacts {
  /** The `RequestAdmission` that decided. A request admitted by another guard is not admitted here. */
  readonly owner: object
  /** What was decided. */
  readonly decided: DecidedRequest
  /** The request target as received. */
  readonly url: string
  /** True if an adapter supplied the semantics, so the path need not be read again under others. */
  readonly isRoutingKnown: boolean
  /** The decision of the rules. With `perRoute()`, the route still has to decide. */
  readonly ruling: Allowed
  /** True if the request has a response, at whose end a decision in audit mode is published. */
  readonly hasResponse: boolean
}

/** A request as reports describe it. */
export interface DescribedRequest {
  readonly method: string
  readonly path: string
  readonly remoteAddress?: string
}

/** What is published at the end of a response, described while the request was still as it was decided. */
export interface DecisionAtClose {
  readonly allowed: Allowed
  readonly described: DescribedRequest
}

/**
 * When the decision is published: it already was, or the adapter's hook does it with the route known, or it waits for
 * the end of the response, because in audit mode a route may still object.
 */
export type Publication = 'done' | 'in-hook' | 'at-close'

// Stored on the request itself, because a `WeakMap` costs several times as much per request. Only this file has the
// symbol, and the object names its request, so an admission can be neither forged nor moved to another request.
const admissionOf: unique symbol = Symbol('countersign.admission')

interface Carrier {
  [admissionOf]?: Admission
}

/** Stores on a request what its server decided, so that the adapter's hook can build on it. */
export class Admission {
  readonly facts: AdmissionFacts
  publication: Publication
  /** In audit mode, the first denial that enforcement would have made. */
  wouldBe: Denial | undefined
  /** What is published at the end of the response, if the decision waits for that. */
  atClose: DecisionAtClose | undefined
  /** In audit mode, the answer of the authorizer while it is awaited. What is published waits for it. */
  answer: Promise<void> | undefined
  /** True if the authorizer has allowed the request as it was decided. */
  isAuthorized: boolean
  readonly #request: object
  #record: unknown

  private constructor(request: object, facts: AdmissionFacts, publication: Publication, wouldBe: Denial | undefined) {
    this.#request = request
    this.facts = facts
    this.publication = publication
    this.wouldBe = wouldBe
    this.atClose = undefined
    this.answer = undefined
    this.isAuthorized = false
  }

  /** Stores the decision on the request. */
  static keep(
    request: object & Carrier,
    facts: AdmissionFacts,
    publication: Publication = 'done',
    wouldBe?: Denial,
  ): Admission {
    const admission = new Admission(request, facts, publication, wouldBe)
    request[admissionOf] = admission
    return admission
  }

  /** Stores a record of the adapter with the decision. */
  keepRecord(record: unknown): void {
    this.#record = record
  }

  /** Returns the decision that `owner` made about this request, or the one that it is a view of, or undefined. */
  static find(view: object & Carrier & Pick<GuardedRequest, 'received'>, owner: object): Admission | undefined {
    const request: object & Carrier = view.received ?? view
    const found = request[admissionOf]
    if (found === undefined || found.#request !== request) return undefined
    return found.facts.owner === owner ? found : undefined
  }

  /** Returns the record of the adapter, or undefined. */
  static findRecord(request: object & Carrier): unknown {
    const found = request[admissionOf]
    return found === undefined || found.#request !== request ? undefined : found.#record
  }
}

/** Returns whether method and target are the same as when the decision was made. */
export function isUnchanged(
  { decided, url }: AdmissionFacts,
  request: Pick<GuardedRequest, 'method' | 'url'>,
): boolean {
  return request.url === url && request.method === decided.method
}

/** Returns whether the decision used these path semantics. */
export function hasSameSemantics(
  { decided }: AdmissionFacts,
  semantics: PathSemantics,
  otherSemantics: PathSemantics | undefined,
): boolean {
  return decided.semantics === semantics && decided.otherSemantics === otherSemantics
}

/** Returns what `AdapterGuard.keepRecord` stored for a request, or undefined. */
export function findRecord(request: object): unknown {
  return Admission.findRecord(request)
}
