import { ConfigurationError } from '../errors.ts'
import { describeValue, isRecord, parseOptions, parseStringList } from '../options.ts'

/** Which name of a certificate says who its holder is. */
export type SubjectNameKind = 'commonName' | 'dnsName'

/** What `commonName` and `dnsName` take. */
export interface SubjectIdentityOptions {
  /** By name: the authorities of its principal. The list of names is closed: a name that is not in it is refused. An empty list of authorities authenticates without any. */
  readonly authorities: Readonly<Record<string, readonly string[]>>
}

// Set by the class itself: nothing else reaches its constructor.
let create: (kind: SubjectNameKind, authorities: ReadonlyMap<string, readonly string[]>) => SubjectIdentity

/** How callers are known whose certificates have no SPIFFE ID. Only `commonName` and `dnsName` make one. */
export class SubjectIdentity {
  readonly kind: SubjectNameKind
  /** Every name of the list, in its order. */
  readonly names: readonly string[]
  readonly #authorities: ReadonlyMap<string, readonly string[]>

  private constructor(kind: SubjectNameKind, authorities: ReadonlyMap<string, readonly string[]>) {
    this.kind = kind
    this.names = Object.freeze([...authorities.keys()])
    this.#authorities = authorities
    Object.freeze(this)
  }

  /** The authorities of a name, or undefined for a name that is not in the list. */
  find(name: string): readonly string[] | undefined {
    return this.#authorities.get(name)
  }

  /** A name as the list would spell it: a DNS name in lower case (RFC 4343), a common name as it is. */
  spell(name: string): string {
    return this.kind === 'dnsName' ? name.replace(/[A-Z]/g, (letter) => letter.toLowerCase()) : name
  }

  static {
    create = (kind: SubjectNameKind, authorities: ReadonlyMap<string, readonly string[]>): SubjectIdentity =>
      new SubjectIdentity(kind, authorities)
  }
}

/**
 * Knows callers by the common name of their certificate, for a CA that writes no SPIFFE IDs: what Spring Security does
 * with `subjectPrincipalRegex` and a `UserDetailsService`. A certificate has to have exactly one common name, byte for
 * byte one of the list; one that has a `spiffe://` name is refused, whatever its common name is.
 *
 * @throws {ConfigurationError} `option_invalid` for an empty list, for a name that no certificate should have (empty,
 * with invisible characters or spaces at its ends, or a SPIFFE ID), or for authorities that are no such text
 * @example
 * const source = await fileSource({ key: 'tls.key', cert: 'tls.crt', ca: 'ca.crt' })
 * const identity = commonName({ authorities: { 'core-api': ['SERVICE_CORE_API'], 'analytics-service': ['SERVICE_ANALYTICS'] } })
 * const guard = createGuard({ source, identity, rules })
 */
export function commonName(options: SubjectIdentityOptions): SubjectIdentity {
  return create(
    'commonName',
    parseAuthorities(options, 'commonName', isCommonName, 'a common name: 1 to 64 visible characters, no SPIFFE ID'),
  )
}

/**
 * Knows callers by the DNS name among their certificate's subject alternative names, otherwise like `commonName`. A
 * certificate may have several, of which exactly one has to be in the list; the case of letters does not matter
 * (RFC 4343), and a wildcard names nobody.
 *
 * @throws {ConfigurationError} `option_invalid` for an empty list, for a name that is no lower-case host name (an address
 * is none), or for authorities that are no such text as `hasAuthority` takes
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
 * RFC 5280 appendix A.1 bounds a common name at 64 characters. A SPIFFE ID that nobody proved must never look like one
 * that somebody did.
 */
function isCommonName(name: string): boolean {
  return /^[^\p{C}\p{Zl}\p{Zp}]{1,64}$/u.test(name) && name.trim() === name && !/^spiffe:/i.test(name)
}

/** Letters, digits, hyphens and underscores between single periods; the last label of an address is a number. */
function isDnsName(name: string): boolean {
  const areLabels = name.split('.').every((label) => /^[a-z0-9_-]{1,63}$/.test(label) && !/^-|-$/.test(label))
  return name.length <= 253 && areLabels && !/(?:^|\.)\d+$/.test(name)
}

function refuse(message: string, value?: string): never {
  throw new ConfigurationError('option_invalid', message, { value })
}
