import { ConfigurationError } from '../errors.ts'
import { describeValue, isRecord, parseOptions, parseStringList } from '../options.ts'

/** The name of a certificate that identifies its holder. */
export type SubjectNameKind = 'commonName' | 'dnsName'

/** The options of `commonName` and `dnsName`. */
export interface SubjectIdentityOptions {
  /**
   * The authorities of each principal, by name. The list is closed: a name outside it is rejected. A name with an empty
   * list is authenticated without authorities.
   */
  readonly authorities: Readonly<Record<string, readonly string[]>>
}

// Set in the static block of the class, because the constructor is private.
let create: (kind: SubjectNameKind, authorities: ReadonlyMap<string, readonly string[]>) => SubjectIdentity

/** How callers without a SPIFFE ID are identified. Only `commonName` and `dnsName` create one. */
export class SubjectIdentity {
  readonly kind: SubjectNameKind
  /** All names of the list, in its order. */
  readonly names: readonly string[]
  readonly #authorities: ReadonlyMap<string, readonly string[]>

  private constructor(kind: SubjectNameKind, authorities: ReadonlyMap<string, readonly string[]>) {
    this.kind = kind
    this.names = Object.freeze([...authorities.keys()])
    this.#authorities = authorities
    Object.freeze(this)
  }

  /** Returns the authorities of a name, or undefined for a name outside the list. */
  find(name: string): readonly string[] | undefined {
    return this.#authorities.get(name)
  }

  /** Normalizes a name for comparison with the list: a DNS name to lower case (RFC 4343), a common name unchanged. */
  spell(name: string): string {
    return this.kind === 'dnsName' ? name.replace(/[A-Z]/g, (letter) => letter.toLowerCase()) : name
  }

  static {
    create = (kind: SubjectNameKind, authorities: ReadonlyMap<string, readonly string[]>): SubjectIdentity =>
      new SubjectIdentity(kind, authorities)
  }
}

/**
 * Identifies callers by the common name of their certificate, for a CA that does not issue SPIFFE IDs. Corresponds to
 * Spring Security's `subjectPrincipalRegex` with a `UserDetailsService`.
 *
 * A certificate must have exactly one common name, and it must match one of the list byte for byte. A certificate with
 * a `spiffe://` name is rejected, regardless of its common name.
 *
 * @throws {ConfigurationError} `option_invalid` for an empty list, for a name that no certificate should have (empty,
 * with invisible characters, with leading or trailing spaces, or a SPIFFE ID), or for invalid authorities
 * @example
 * const source = await fileSource({ key: 'tls.key', cert: 'tls.crt', ca: 'ca.crt' })
 * const identity = commonName({ authorities: { 'core-api': ['SERVICE_CORE_API'], 'analytics-service':
 * ['SERVICE_ANALYTICS'] } })
 * const guard = createGuard({ source, identity, rules })
 */
export function commonName(options: SubjectIdentityOptions): SubjectIdentity {
  return create(
    'commonName',
    parseAuthorities(options, 'commonName', isCommonName, 'a common name: 1 to 64 visible characters, not a SPIFFE ID'),
  )
}

/**
 * Identifies callers by a DNS name in the subject alternative names of their certificate, otherwise like `commonName`.
 * A certificate may have several DNS names, but exactly one of them must be in the list. The comparison ignores case
 * (RFC 4343), and a wildcard matches nothing.
 *
 * @throws {ConfigurationError} `option_invalid` for an empty list, for a name that is not a lower-case host name (an IP
 * address is not), or for authorities that `hasAuthority` does not accept
 * @example dnsName({ authorities: { 'order-service.prod.internal': ['SERVICE_ORDER'] } })
 */
export function dnsName(options: SubjectIdentityOptions): SubjectIdentity {
  return create(
    'dnsName',
    parseAuthorities(options, 'dnsName', isDnsName, 'a host name in lower case, without wildcards'),
  )
}

function parseAuthorities(
  options: unknown,
  where: SubjectNameKind,
  isName: (name: string) => boolean,
  expected: string,
): ReadonlyMap<string, readonly string[]> {
  const { authorities } = parseOptions(options, ['authorities'], where)
  if (!isRecord(authorities) || Object.keys(authorities).length === 0) {
    const found = isRecord(authorities) ? 'an empty object' : describeValue(authorities)
    refuse(`${where}: authorities: found ${found}, expected the authorities of at least one name`)
  }
  const entries = Object.entries(authorities).map(([name, list]): readonly [string, readonly string[]] => {
    if (!isName(name))
      refuse(`${where}: authorities: found the name ${describeValue(name)}, expected ${expected}`, name)
    return [name, parseAuthorityList(list, `${where}: authorities['${name}']`)]
  })
  return new Map(entries)
}

function parseAuthorityList(list: unknown, where: string): readonly string[] {
  const isEmpty = Array.isArray(list) && list.length === 0
  const names = isEmpty ? [] : parseStringList(list, where)
  const bad = names.find((name) => name.trim() !== name || /\p{Cc}/u.test(name))
  if (bad === undefined) return Object.freeze(names)
  return refuse(`${where}: found ${describeValue(bad)}, expected no space at either end and no control character`, bad)
}

/**
 * Returns true for a valid common name. RFC 5280 appendix A.1 limits it to 64 characters. A name that looks like a
 * SPIFFE ID is not allowed, because that ID was never verified.
 */
function isCommonName(name: string): boolean {
  return /^[^\p{C}\p{Zl}\p{Zp}]{1,64}$/u.test(name) && name.trim() === name && !/^spiffe:/i.test(name)
}

/**
 * Returns true for letters, digits, hyphens and underscores, separated by single periods. A numeric last label means an
 * IP address and is rejected.
 */
function isDnsName(name: string): boolean {
  const areLabels = name.split('.').every((label) => /^[a-z0-9_-]{1,63}$/.test(label) && !/^-|-$/.test(label))
  return name.length <= 253 && areLabels && !/(?:^|\.)\d+$/.test(name)
}

function refuse(message: string, value?: string): never {
  throw new ConfigurationError('option_invalid', message, { value })
}
