import type { DistinguishedName, GeneralName } from './certificate.ts'
import { isWithinName } from './distinguished-name.ts'

/** Where a name lies; `unknown` for what cannot be judged, which nobody may take for a pass. */
export type NamePosition = 'inside' | 'outside' | 'unknown'

/** Which list a subtree stands in: where a reading is in doubt, the excluded ones reach further. */
export type SubtreeKind = 'permitted' | 'excluded'

/**
 * Where a name lies towards one subtree of RFC 5280 §4.2.1.10. Names of another type than the subtree lie outside it.
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
 * `example.com` holds itself and everything below it; `.example.com`, which the RFC does not define for this type,
 * only what is below it, but excludes itself too. A wildcard name lies in an excluded subtree as soon as one name
 * that it stands for does.
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

/** A whole mailbox, every mailbox of one host, or with a leading period every mailbox of the hosts below it. */
function judgeEmail(name: string, base: string): NamePosition {
  const mailbox = parseMailbox(name)
  if (mailbox === undefined) return 'unknown'
  if (!base.includes('@')) return judgeHost(mailbox.host, base)
  const only = parseMailbox(base)
  return only === undefined ? 'unknown' : place(mailbox.local === only.local && mailbox.host === only.host)
}

function parseMailbox(text: string): { readonly local: string; readonly host: string } | undefined {
  // The letters of an atom (RFC 5322 §3.2.3) and the period: a quoted local part could hide an @.
  const [, local, host = ''] = /^([\w.!#$%&'*+/=?^`{|}~-]+)@([^@]+)$/.exec(text) ?? []
  return local === undefined || !isHostName(host) ? undefined : { local, host: host.toLowerCase() }
}

/**
 * One host, or with a leading period every host below it. The host of a SPIFFE ID is its trust domain. A URI that has
 * no host, an address for one, or userinfo before it cannot be judged, and the RFC refuses it.
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

/** Labels of letters, digits, hyphens and underscores with single periods between them; no final period. */
function isHostName(text: string): boolean {
  return /^[\w-]+(?:\.[\w-]+)*$/.test(text)
}

/** The base is an address and its mask; an address of the other family lies outside. */
function isInRange(address: Buffer, range: Buffer): boolean {
  if (range.length !== address.length * 2) return false
  const mask = readNumber(range.subarray(address.length))
  return (readNumber(address) & mask) === (readNumber(range.subarray(0, address.length)) & mask)
}

function readNumber(bytes: Buffer): bigint {
  return BigInt(`0x${bytes.toString('hex')}`)
}

/** Excluded subtrees compare without case in every script (RFC 5280 §7.1), permitted ones in ASCII only. */
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
