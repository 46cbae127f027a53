import { hash } from 'node:crypto'
import type { JwtBundles, JwtBundleSource, JwtSvid, readAudiences, verifyJwtSvid } from '@countersign/spiffe/jwt'
import { describeThrown } from '@countersign/spiffe/options'
import { BoundedMap, type MapBounds } from '../connection/bounded-map.ts'
import type { CarriedCredentials } from './carried-credentials.ts'
import type { CredentialRefusal } from './credential-refusal.ts'
import type { Forwarder } from './forwarded-identity.ts'
import { PendingCredential } from './pending-credential.ts'

/** What is needed to verify tokens. */
export interface TokenPolicy {
  /** The names of this service: a token counts only if it is for one of them. */
  readonly audiences: readonly string[]
  readonly bundles: JwtBundleSource
  /** The trust domains whose callers are accepted. */
  readonly trustDomains: readonly string[]
}

/** The module that verifies tokens. It is loaded only by guards that accept them. */
interface JwtModule {
  readonly readAudiences: typeof readAudiences
  readonly verifyJwtSvid: typeof verifyJwtSvid
}

/** The facts about a token. */
interface TokenFacts {
  readonly svid: JwtSvid
  readonly expiresAt: number
  readonly forwarder: Forwarder | undefined
}

let mint: (facts: TokenFacts) => TokenIdentity

/** A caller that a JWT-SVID proves. Only `TokenVerifier` creates one. */
export class TokenIdentity {
  readonly svid: JwtSvid
  /** Epoch milliseconds: when the token expires, or before that the certificate of the proxy that forwarded it. */
  readonly expiresAt: number
  /** The proxy that forwarded the token, or undefined if the caller connected without a certificate. */
  readonly forwarder: Forwarder | undefined

  private constructor({ svid, expiresAt, forwarder }: TokenFacts) {
    this.svid = svid
    this.expiresAt = expiresAt
    this.forwarder = forwarder
    Object.freeze(this)
  }

  static {
    mint = (facts: TokenFacts): TokenIdentity => new TokenIdentity(facts)
  }
}

/**
 * Verifies the JWT-SVIDs in `Authorization` headers. Verified tokens are kept by their SHA-256 until they expire or
 * their bundle changes, so only a token that was not seen before has to wait.
 */
export class TokenVerifier {
  readonly #policy: TokenPolicy
  readonly #kept = new BoundedMap<JwtSvid>(keptBounds)
  readonly #running = new Map<string, { readonly bundles: JwtBundles; readonly verdict: Promise<TokenVerdict> }>()
  readonly #loading: Promise<void>
  #module: JwtModule | undefined
  #failure: string | undefined
  #bundles: { readonly of: JwtBundles; readonly accepted: JwtBundles } | undefined

  constructor(policy: TokenPolicy, load: () => Promise<JwtModule> = () => import('@countersign/spiffe/jwt')) {
    this.#policy = policy
    this.#loading = load().then(
      (module) => {
        this.#module = module
      },
      (error: unknown) => {
        this.#failure = describeThrown(error)
      },
    )
  }

  /**
   * Returns the token of a request that is meant for this service, or undefined. Other content of `Authorization` is
   * left to the application. Before the module is loaded, every bearer token may be ours.
   */
  inspect(carried: CarriedCredentials): StatedToken | undefined {
    const lines = carried.lines('authorization')
    const [line = '', ...others] = lines
    if (others.length > 0) return lines.some((each) => this.#isOurs(readBearer(each))) ? repeated : undefined
    const token = readBearer(line)
    if (token === undefined) return undefined
    const sha256 = hash('sha256', token)
    // A token that was verified needs no second look at its audiences.
    if (!this.#kept.has(sha256) && !this.#isOurs(token)) return undefined
    return { token, sha256 }
  }

  /**
   * Verifies the token of a request, as of `now` (epoch milliseconds). Returns a pending credential if that has to wait;
   * then call again once it has settled.
   */
  verify(
    stated: StatedToken,
    carried: CarriedCredentials,
    forwarder: Forwarder | undefined,
    now: number,
  ): TokenIdentity | CredentialRefusal | PendingCredential {
    const { token, sha256 } = stated
    if (token === undefined) return refuse('the Authorization header is repeated')
    if (this.#module === undefined) {
      if (this.#failure === undefined) return new PendingCredential(this.#loading)
      return { reason: 'evaluation_error', detail: `the verifier of tokens could not be loaded: ${this.#failure}` }
    }
    const verdict = this.#findVerdict(carried, sha256)
    if (verdict === undefined) return new PendingCredential(this.#settle(token, sha256, carried, now))
    if (!verdict.ok) return refuse(`${verdict.reason}: ${verdict.detail}`, verdict.spiffeId)
    return this.#accept(verdict.svid, forwarder, now)
  }

  #accept(svid: JwtSvid, forwarder: Forwarder | undefined, now: number): TokenIdentity | CredentialRefusal {
    const claimed = svid.spiffeId.toString()
    if (now >= svid.expiresAt) {
      return refuse(`expired: the token expired at ${new Date(svid.expiresAt).toISOString()}`, claimed)
    }
    if (forwarder === undefined) return mintOnce(svid, undefined)
    const detail = forwarder.proxy.refuse(svid.spiffeId)
    return detail === undefined ? mintOnce(svid, forwarder) : { reason: 'forwarding_not_allowed', detail, claimed }
  }

  // A verdict counts only under the bundle that it was reached under.
  #findVerdict(carried: CarriedCredentials, sha256: string): TokenVerdict | undefined {
    const bundles = this.#accepted()
    const isCurrent = (svid: JwtSvid): boolean => bundles.get(svid.spiffeId.trustDomain) === svid.bundle
    const kept = this.#kept.get(sha256)
    const settled = readSettled(carried, sha256)
    if (kept !== undefined && isCurrent(kept)) {
      this.#kept.refresh(sha256)
      // A later change of the bundle is a reason to verify it again.
      carried.settled = undefined
      return { ok: true, svid: kept }
    }
    if (settled === undefined || !settled.verdict.ok) return settled?.verdict
    if (isCurrent(settled.verdict.svid)) return settled.verdict
    // The bundle changed while the request waited.
    return settled.attempts < mostAttempts ? undefined : bundleChanged
  }

  async #settle(token: string, sha256: string, carried: CarriedCredentials, now: number): Promise<void> {
    const verdict = await this.#judge(token, now)
    const attempts = (readSettled(carried, sha256)?.attempts ?? 0) + 1
    carried.settled = new SettledToken(sha256, verdict, attempts)
    if (verdict.ok) this.#kept.set(sha256, verdict.svid, ofToken + 2 * token.length)
  }

  // Requests that arrive at the same time with the same token share one verification.
  #judge(token: string, now: number): Promise<TokenVerdict> {
    const bundles = this.#accepted()
    const running = this.#running.get(token)
    if (running?.bundles === bundles) return running.verdict
    const verdict = this.#verify(token, now).finally(() => {
      if (this.#running.get(token)?.verdict === verdict) this.#running.delete(token)
    })
    this.#running.set(token, { bundles, verdict })
    return verdict
  }

  async #verify(token: string, now: number): Promise<TokenVerdict> {
    try {
      if (this.#module === undefined) return notLoaded
      const { audiences } = this.#policy
      return await this.#module.verifyJwtSvid(token, { bundles: this.#accepted(), audiences, now })
    } catch (error) {
      return { ok: false, reason: 'verification_failed', detail: describeThrown(error) }
    }
  }

  // Only the bundles of accepted trust domains, as a map that is the same until they change.
  #accepted(): JwtBundles {
    const { bundles, trustDomains } = this.#policy
    const current = bundles.current()
    if (this.#bundles?.of === current) return this.#bundles.accepted
    const accepted = new Map([...current].filter(([trustDomain]) => trustDomains.includes(trustDomain)))
    this.#bundles = { of: current, accepted }
    return accepted
  }

  #isOurs(token: string | undefined): boolean {
    if (token === undefined) return false
    if (this.#module === undefined) return true
    const { audiences } = this.#policy
    return this.#module.readAudiences(token)?.some((audience) => audiences.includes(audience)) === true
  }
}

/** A token for this service. Nothing of it is verified. */
export interface StatedToken {
  /** Undefined if the header is repeated. */
  readonly token: string | undefined
  readonly sha256: string
}

const repeated: StatedToken = Object.freeze({ token: undefined, sha256: '' })

/** The verdict on a token, or the reason why there is none. */
type TokenVerdict =
  | { readonly ok: true; readonly svid: JwtSvid }
  | { readonly ok: false; readonly reason: string; readonly detail: string; readonly spiffeId?: string }

/** The verdict that a request waited for. */
class SettledToken {
  readonly sha256: string
  readonly verdict: TokenVerdict
  /** How often the request has waited for one. */
  readonly attempts: number

  constructor(sha256: string, verdict: TokenVerdict, attempts: number) {
    this.sha256 = sha256
    this.verdict = verdict
    this.attempts = attempts
  }
}

function readSettled({ settled }: CarriedCredentials, sha256: string): SettledToken | undefined {
  return settled instanceof SettledToken && settled.sha256 === sha256 ? settled : undefined
}

/** How often a request waits if its bundle keeps changing. Without a limit, it could wait forever. */
const mostAttempts = 3

// One identity per token and proxy, so that one principal is created for all of its requests.
const identities = new WeakMap<JwtSvid, TokenIdentity>()

function mintOnce(svid: JwtSvid, forwarder: Forwarder | undefined): TokenIdentity {
  const kept = identities.get(svid)
  if (kept !== undefined && kept.forwarder?.proof === forwarder?.proof) return kept
  const expiresAt = Math.min(svid.expiresAt, forwarder?.proof.expiresAt ?? Infinity)
  const identity = mint({ svid, expiresAt, forwarder })
  identities.set(svid, identity)
  return identity
}

/** Returns the token of an `Authorization` value (RFC 6750 §2.1), or undefined for any other content. */
function readBearer(line: string): string | undefined {
  return /^bearer +([\w\-.~+/]+=*) *$/i.exec(line)?.[1]
}

function refuse(detail: string, claimed?: string): CredentialRefusal {
  return { reason: 'token_invalid', detail, claimed }
}

const notLoaded: TokenVerdict = Object.freeze({
  ok: false,
  reason: 'verification_failed',
  detail: 'the verifier of tokens is not loaded',
})

const bundleChanged: TokenVerdict = Object.freeze({
  ok: false,
  reason: 'verification_failed',
  detail: 'the bundle changed while the token was verified; the caller may send it again',
})

const keptBounds: MapBounds = { entries: 4096, bytes: 16 * 1024 * 1024 }

/** The size of a verified token without its text, in bytes. */
const ofToken = 2048
