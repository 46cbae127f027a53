import type { Allowed, CanonicalTarget, PathSemantics } from '@countersign/authorization'
import type { GuardedRequest, RequestRouting } from './guarded-request.ts'
import type { Principal } from './principal/principal.ts'

/** What was decided about a request where its server emitted it. */
export interface AdmissionFacts {
  /** What decided: a request that another guard admitted is not admitted here. */
  readonly owner: object
  readonly principal: Principal
  readonly method: string
  /** As received. */
  readonly url: string
  readonly target: CanonicalTarget
  /** How the path was read. */
  readonly routing: Pick<RequestRouting, 'semantics' | 'otherSemantics'>
  /** Whether an adapter said so, and the path need not be read in another way. */
  readonly isRoutingKnown: boolean
  /** What the rules decided; a rule may leave the request to its route, which was not known yet. */
  readonly ruling: Allowed
  /** Whether the decision was published. */
  readonly isPublished: boolean
}

// On the request itself: a weak map costs each request several times as much. A symbol that only this file knows, and
// an object that names its request, so that nothing can make one or move it to another request.
const admissionOf: unique symbol = Symbol('countersign.admission')

interface Carrier {
  [admissionOf]?: Admission
}

/** Keeps what was decided about a request on its server, for the adapter's hook to build on. */
export class Admission {
  readonly facts: AdmissionFacts
  readonly #request: object

  private constructor(request: object, facts: AdmissionFacts) {
    this.#request = request
    this.facts = facts
  }

  /** Notes on a request what was decided about it. */
  static keep(request: object & Carrier, facts: AdmissionFacts): void {
    request[admissionOf] = new Admission(request, facts)
  }

  /** What this owner decided about a request, if it did. */
  static find(request: object & Carrier, owner: object): AdmissionFacts | undefined {
    const found = request[admissionOf]
    if (found === undefined || found.#request !== request) return undefined
    return found.facts.owner === owner ? found.facts : undefined
  }
}

/** Whether method and target are still what was decided. */
export function isUnchanged({ method, url }: AdmissionFacts, request: Pick<GuardedRequest, 'method' | 'url'>): boolean {
  return request.url === url && request.method === method
}

/** Whether the path was read in these readings. */
export function hasSameSemantics(
  { routing }: AdmissionFacts,
  semantics: PathSemantics,
  otherSemantics: PathSemantics | undefined,
): boolean {
  return routing.semantics === semantics && routing.otherSemantics === otherSemantics
}
