import type { DistinguishedName, GeneralName } from './certificate.ts'
import { isWithinName } from './distinguished-name.ts'

/**
 * The position of a name relative to a subtree. `unknown` if it cannot be determined, which must never count as
 * permitted.
 */
export type NamePosition = 'inside' | 'outside' | 'unknown'

/** The list that contains a subtree. In case of doubt, an excluded subtree matches more names. */
export type SubtreeKind = 'permitted' | 'excluded'

/**
 * Returns the position of a name relative to one subtree (RFC 5280 §4.2.1.10). A name of another type than the subtree
 * is outside.
 */
export function checkName(name: GeneralName, base: GeneralName, kind: SubtreeKind): NamePosition {
  if (name.type === 'dns' && base.type === 'dns') return judgeDnsName(name.value, base.value, kind)
  if (name.type === 'email' && base.type === 'email') return judgeEmail(name.value, base.value)
  if (name.type === 'uri' && base.type === 'uri') return judgeUri(name.value, base.value)
  if (name.type === 'ip' && base.type === 'ip') return place(isInRange(name.value, base.value))
  if (name.type === 'directory' && base.type === 'directory') return judgeDirectory(name.value, base.value, kind)
  return name.type === base.type ? 'unknown' : 'outside'
}

/**
 * Compares DNS names. `example.com` matches itself and all names below it. `.example.com` is not defined by the RFC for
 * this type: it matches only the names below it, but if excluded also `example.com`. A wildcard name is in an excluded
 * subtree if any name that it matches is.
 */
function judgeDnsName(name: string, base: string, kind: SubtreeKind): NamePosition {
  if (base === '') return 'inside'
  const host = name.toLowerCase()
  const parent = host.startsWith('*.') ? host.slice(2) : host
  const domain = base.toLowerCase().replace(/^\./, '')
  if (!isHostName(parent) || !isHostName(domain)) return 'unknown'
  if (parent !== host && kind === 'excluded' && isBelow(domain, parent)) return 'inside'
  const isDomainItself = host === domain && (!base.startsWith('.') || kind === 'excluded')
  return place(isDomainItself || isBelow(host, domain))
}

/**
 * Compares e-mail names. The base is one mailbox, every mailbox of one host, or with a leading period every mailbox of
 * the hosts below it.
 */
function judgeEmail(name: string, base: string): NamePosition {
  const mailbox = parseMailbox(name)
  if (mailbox === undefined) return 'unknown'
  if (!base.includes('@')) return judgeHost(mailbox.host, base)
  const only = parseMailbox(base)
  return only === undefined ? 'unknown' : place(mailbox.local === only.local && mailbox.host === only.host)
}

function parseMailbox(text: string): { readonly local: string; readonly host: string } | undefined {
  // The characters of an atom (RFC 5322 §3.2.3) and the period. A quoted local part could hide an @.
  const [, local, host = ''] = /^([\w.!#$%&'*+/=?^`{|}~-]+)@([^@]+)$/.exec(text) ?? []
  return local === undefined || !isHostName(host) ? undefined : { local, host: host.toLowerCase() }
}

/**
 * Compares URIs by their host. The base is one host, or with a leading period every host below it. The host of a SPIFFE
 * ID is its trust domain. A URI without a host, with an IP address as host, or with userinfo cannot be evaluated, and
 * the RFC rejects it.
 */
function judgeUri(name: string, base: string): NamePosition {
  const [, authority = ''] = /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)/i.exec(name) ?? []
  const host = authority.replace(/:\d*$/, '')
  const isAddress = /^[\d.]+$/.test(host)
  return isHostName(host) && !isAddress ? judgeHost(host, base) : 'unknown'
}

function judgeHost(host: string, base: string): NamePosition {
  const domain = base.toLowerCase().replace(/^\./, '')
  if (!isHostName(domain)) return 'unknown'
  return place(base.startsWith('.') ? isBelow(host.toLowerCase(), domain) : host.toLowerCase() === domain)
}

function isBelow(host: string, domain: string): boolean {
  return host.endsWith(`.${domain}`)
}

/** Labels of letters, digits, hyphens and underscores, separated by single periods; no trailing period. */
function isHostName(text: string): boolean {
  return /^[\w-]+(?:\.[\w-]+)*$/.test(text)
}

/** Returns true if an address is in a range, which is an address and its mask. The other address family is outside. */
function isInRange(address: Buffer, range: Buffer): boolean {
  if (range.length !== address.length * 2) return false
  const mask = readNumber(range.subarray(address.length))
  return (readNumber(address) & mask) === (readNumber(range.subarray(0, address.length)) & mask)
}

function readNumber(bytes: Buffer): bigint {
  return BigInt(`0x${bytes.toString('hex')}`)
}

/**
 * Compares directory names. Excluded subtrees ignore case in every script (RFC 5280 §7.1), permitted ones only in
 * ASCII.
 */
function judgeDirectory(name: DistinguishedName, base: DistinguishedName, kind: SubtreeKind): NamePosition {
  if (kind === 'permitted') return place(isWithinName(name, base))
  return place(isWithinName(foldFully(name), foldFully(base)))
}

function foldFully(name: DistinguishedName): DistinguishedName {
  return { ...name, relativeNames: name.relativeNames.map((text) => text.normalize('NFKC').toLowerCase()) }
}

function place(isInside: boolean): NamePosition {
  return isInside ? 'inside' : 'outside'
}
