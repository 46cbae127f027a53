import { timingSafeEqual } from 'node:crypto'
import { isCallable, parseOptions, refuseValue } from '@countersign/spiffe/options'

/** Options of `requireBoundToken`. */
export interface BoundTokenOptions {
  /**
   * Verifies the access token and returns its claims. Signature, issuer, audience and expiry are its responsibility. If
   * it throws or rejects, the request is answered with 401. What it throws is never logged beyond its name and `code`,
   * because a message could contain the token.
   */
  readonly verify: (token: string) => unknown
  /**
   * Milliseconds that `verify` may take. Default: 5,000, so that a slow issuer cannot hold requests for long. A request
   * whose token takes longer is answered with 503.
   */
  readonly timeoutMs?: number
}

/** The caller to whose certificate a token has to be bound. A principal satisfies it. */
export interface BoundCaller {
  readonly credential: string
  readonly thumbprint?: string | undefined
}

/** Why a request is denied because of its token. */
export interface TokenRefusal {
  readonly reason: 'token_unbound' | 'token_invalid' | 'evaluation_error'
  /** For the log. Never contains the token. */
  readonly detail: string
  /** The value of `WWW-Authenticate`, if it is not the one of the reason. */
  readonly challenge?: string
}

/**
 * Checks that the access token of a request is bound to the certificate of its caller (RFC 8705 §3).
 *
 * @see https://www.rfc-editor.org/rfc/rfc8705#section-3
 */
export class BoundTokenCheck {
  readonly #verify: BoundTokenOptions['verify']
  readonly #timeoutMs: number

  /** @throws {ConfigurationError} `option_unknown` or `option_invalid` */
  constructor(options: BoundTokenOptions) {
    const { verify, timeoutMs = 5000 } = parseOptions(options, ['verify', 'timeoutMs'], 'requireBoundToken')
    if (!isVerify(verify))
      refuseValue('requireBoundToken: verify', verify, 'a function that returns the claims of a token')
    if (typeof timeoutMs !== 'number' || !(timeoutMs >= 1 && timeoutMs <= longestTimeout)) {
      refuseValue('requireBoundToken: timeoutMs', timeoutMs, `milliseconds from 1 to ${longestTimeout}`)
    }
    this.#verify = verify
    this.#timeoutMs = timeoutMs
  }

  /**
   * Returns undefined if the token of a request is bound to the certificate that proved `caller` (null: the caller is
   * anonymous), and otherwise why not. Never rejects. The proof of the caller may end while this waits.
   *
   * @param rawHeaders as received: Node drops all but the first of several `Authorization` lines elsewhere
   */
  async check(rawHeaders: readonly string[], caller: BoundCaller | null): Promise<TokenRefusal | undefined> {
    const token = readToken(rawHeaders)
    if (typeof token !== 'string') return token
    // Before `verify`, because nothing it returns could prove such a caller.
    const thumbprint = caller === null ? undefined : readThumbprint(caller)
    if (thumbprint === undefined) {
      const found = caller === null ? 'an anonymous caller' : `a caller proven by '${caller.credential}'`
      return unbound(`found ${found}, expected one that is proven by a certificate`)
    }
    try {
      const claims = await this.#verifyInTime(token)
      return claims === late ? tooLate(this.#timeoutMs) : compareBinding(claims, thumbprint)
    } catch (error) {
      return { reason: 'token_invalid', detail: `verify refused the token: ${nameError(error)}` }
    }
  }

  async #verifyInTime(token: string): Promise<unknown> {
    let timer: NodeJS.Timeout | undefined
    const timeout = new Promise<typeof late>((resolve) => {
      timer = setTimeout(resolve, this.#timeoutMs, late)
    })
    try {
      const verify = this.#verify
      return await Promise.race([verify(token), timeout])
    } finally {
      clearTimeout(timer)
    }
  }
}

const late: unique symbol = Symbol('late')

/** The longest delay that `setTimeout` supports. */
const longestTimeout = 2_147_483_647

function isVerify(value: unknown): value is BoundTokenOptions['verify'] {
  return isCallable(value)
}

function readToken(rawHeaders: readonly string[]): string | TokenRefusal {
  const found = rawHeaders.filter((_, index) => index % 2 === 1 && isAuthorization(rawHeaders[index - 1]))
  const [value] = found
  if (found.length > 1) return unbound(`found ${found.length} Authorization headers, expected one`)
  // RFC 6750 §3.1: without a token, the answer has no error code.
  if (value === undefined || !/^bearer(?:[ \t]|$)/i.test(value)) {
    const what = value === undefined ? 'no Authorization header' : 'an Authorization header of another scheme'
    return { reason: 'token_unbound', detail: `found ${what}, expected a Bearer token`, challenge: 'Bearer' }
  }
  // RFC 6750 §2.1: one token, and in particular no list of several credentials.
  const [, token] = /^bearer +([\w.~+/-]+=*)$/i.exec(value) ?? []
  return token ?? unbound('found an Authorization header that is malformed, expected one Bearer token')
}

function isAuthorization(name: string | undefined): boolean {
  return name?.toLowerCase() === 'authorization'
}

// A certificate of an 'asserted' caller came from a proxy that is not authenticated, and certificates are public.
function readThumbprint({ credential, thumbprint }: BoundCaller): string | undefined {
  return provingCredentials.has(credential) ? thumbprint : undefined
}

const provingCredentials: ReadonlySet<string> = new Set(['x509-svid', 'x509-subject', 'forwarded'])

function compareBinding(claims: unknown, thumbprint: string): TokenRefusal | undefined {
  const bound = readMember(readMember(claims, 'cnf'), 'x5t#S256')
  if (bound === undefined)
    return unbound("found a token without cnf['x5t#S256'], expected one that is bound to a certificate")
  if (typeof bound !== 'string' || !isCanonicalDigest(bound)) {
    return unbound("found a cnf['x5t#S256'] that is not a SHA-256 as base64url, expected 43 characters")
  }
  if (timingSafeEqual(Buffer.from(bound), Buffer.from(thumbprint))) return undefined
  return unbound(`found a token bound to the certificate ${bound}, expected ${thumbprint}`)
}

function readMember(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
}

// Several texts decode to the same digest, and only one of them is its encoding (RFC 4648 §3.5).
function isCanonicalDigest(text: string): boolean {
  return text.length === 43 && Buffer.from(text, 'base64url').toString('base64url') === text
}

function unbound(detail: string): TokenRefusal {
  return { reason: 'token_unbound', detail }
}

function tooLate(timeoutMs: number): TokenRefusal {
  return { reason: 'evaluation_error', detail: `verify took longer than ${timeoutMs} ms to verify a token` }
}

function nameError(error: unknown): string {
  if (!(error instanceof Error)) return 'a non-Error value was thrown'
  const words = [error.name, Reflect.get(error, 'code')]
  return words.filter((word) => typeof word === 'string' && /^[\w.-]{1,64}$/.test(word)).join(' ') || 'an error'
}

/** Returns whether a response can no longer reach its caller: its connection or its HTTP/2 stream is closed. */
export function isAbandoned(response: object): boolean {
  const stream: unknown = Reflect.get(response, 'stream')
  return Reflect.get(typeof stream === 'object' && stream !== null ? stream : response, 'destroyed') === true
}
