import { sign } from 'node:crypto'
import { ConfigurationError } from '@countersign/spiffe'
import { aNumber, aRecord, checkOptions, type OptionKind, texts } from './check-options.ts'
import type { JwtAuthority } from './jwt-authority.ts'
import { applyJwtFaults, type JwtBlueprint, type JwtFault } from './jwt-faults.ts'
import { checkSpiffeId } from './svid.ts'

/** A JWT-SVID, as a workload holds it; with faults, as an attacker would present it. */
export interface TestJwtSvid {
  /** The requested SPIFFE ID. The token may contain another one because of a fault or the option `claims`. */
  readonly spiffeId: string
  /** For `Authorization: Bearer`. */
  readonly token: string
  /** Epoch milliseconds: the `exp` of a token without faults. */
  readonly expiresAt: number
}

/** How a JWT-SVID differs from the default. */
export interface IssueJwtOptions {
  /** The services that the token is for: one or more. */
  readonly audience: string | readonly string[]
  /** The lifetime from `now` on. Default: 300, as in SPIRE. */
  readonly ttlSeconds?: number
  /** The time of issue, in epoch milliseconds. Default: the current time. */
  readonly now?: number
  /** Further claims; undefined removes one. Default: none. */
  readonly claims?: Readonly<Record<string, unknown>>
  /** Named defects, applied in this order after all other options. */
  readonly faults?: readonly JwtFault[]
}

/** What issuing a JWT-SVID needs of an authority. */
interface JwtIssuer {
  readonly trustDomain: string
  readonly jwt: JwtAuthority
}

/**
 * Issues a JWT-SVID that is valid except for what the options request.
 *
 * @throws {SpiffeIdError} if the text is not a SPIFFE ID
 * @throws {ConfigurationError} `option_invalid` without an audience, or as `issueSvid`
 */
export function issueJwtSvid(spiffeId: string, options: IssueJwtOptions, issuer: JwtIssuer): TestJwtSvid {
  checkOptions(options, 'issueJwt', jwtKinds)
  const { audience, ttlSeconds = 300, now = Date.now(), claims, faults = [] } = options
  if (audience === undefined || audience.length === 0) {
    const message =
      "issueJwt: found no audience, expected at least one; for a token without one use the fault 'no_audience'"
    throw new ConfigurationError('option_invalid', message)
  }
  checkSpiffeId(spiffeId, issuer.trustDomain, faults)
  const issuedAt = Math.floor(now / 1000)
  const exp = issuedAt + Math.ceil(ttlSeconds)
  const draft: JwtBlueprint = {
    header: { alg: 'ES256', kid: issuer.jwt.jwk.kid, typ: 'JWT' },
    claims: {
      sub: spiffeId,
      aud: typeof audience === 'string' ? [audience] : [...audience],
      iat: issuedAt,
      exp,
      ...claims,
    },
    authority: issuer.jwt,
    write: (all) => JSON.stringify(all),
    sign: 'strong',
    damage: (token) => token,
  }
  const context = { now: issuedAt, trustDomain: issuer.trustDomain }
  return { spiffeId, token: writeToken(applyJwtFaults(draft, faults, context)), expiresAt: exp * 1000 }
}

const jwtKinds: Readonly<Record<string, OptionKind>> = {
  audience: [(value) => typeof value === 'string' || texts[0](value), 'text or a list of strings'],
  ttlSeconds: aNumber,
  now: aNumber,
  claims: aRecord,
  faults: texts,
}

function writeToken({ header, claims, authority, write, sign: how, damage }: JwtBlueprint): string {
  const input = `${encode(JSON.stringify(header))}.${encode(write(claims))}`
  return damage(`${input}.${how === 'strong' ? signStrongly(input, authority) : how(input, authority)}`)
}

// RFC 7518 §3.4: R and S, not DER.
function signStrongly(input: string, { privateKey }: JwtAuthority): string {
  return sign('sha256', Buffer.from(input), { key: privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')
}

function encode(text: string): string {
  return Buffer.from(text).toString('base64url')
}
