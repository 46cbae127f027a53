import { describeCertificate, isSameName } from '@countersign/spiffe/internal'
import type { OwnCertificate, Certificate } from '@countersign/spiffe'

/** Milliseconds. Certificates with a lifetime of more than 90 days tend to be renewed by hand, and late. */
export const longCertificateLifetime: number = 90 * 24 * 60 * 60 * 1000

/** Describes a leaf whose lifetime exceeds `limit` (milliseconds), or returns undefined. */
export function describeLongLife(
  { notBefore, notAfter }: { readonly notBefore: number; readonly notAfter: number },
  limit: number,
): string | undefined {
  const lifetime = notAfter - notBefore
  if (lifetime <= limit + Math.min(limit / 10, longestDatingBack)) return undefined
  return `its lifetime is ${describeTime(lifetime)}, expected at most ${describeTime(limit)}; issue it for a shorter time and automate its renewal`
}

/**
 * Milliseconds. Issuers backdate certificates to tolerate slow clocks, SPIRE by ten seconds and Istio by two minutes. A
 * certificate requested for an hour is therefore valid for slightly longer.
 */
const longestDatingBack = 300_000

function describeTime(milliseconds: number): string {
  // Beyond an hour, seconds are only noise.
  const seconds = Math.round(milliseconds / 1000)
  const rest = seconds < 3600 ? seconds : Math.round(seconds / 60) * 60
  const parts = [
    [Math.floor(rest / 86_400), 'd'],
    [Math.floor(rest / 3600) % 24, 'h'],
    [Math.floor(rest / 60) % 60, 'min'],
    [rest % 60, 's'],
  ] as const
  return parts.flatMap(([count, unit]) => (count === 0 ? [] : [`${count} ${unit}`])).join(' ')
}

/** Describes an own certificate that clients will not accept from a server, or returns undefined. */
export function describeClientOnly({ sides }: Pick<OwnCertificate, 'sides'>): string | undefined {
  if (sides.includes('server')) return undefined
  return 'our own certificate is for clients only: its extended key usage, or that of its issuer, lacks serverAuth; issue one with serverAuth, or without an extended key usage'
}

/**
 * Describes authorities that OpenSSL cannot distinguish, or returns undefined. OpenSSL distinguishes authorities of the
 * same name only by key id, and without key ids it never tries the second.
 */
export function describeIndistinct(authorities: readonly Certificate[]): string | undefined {
  const found = authorities.find((authority, index) =>
    authorities.some(
      (other, otherIndex) =>
        otherIndex < index && authority.subjectKeyId === undefined && isSameName(other.subject, authority.subject),
    ),
  )
  if (found === undefined) return undefined
  return `${describeCertificate(found)} shares its name with another authority and has no key identifier, so OpenSSL rejects the certificates that it issued; give authorities key identifiers or different names`
}

/** Describes a trust domain that has no authority although its peers are expected, and what to check. */
export function describeMissingBundle(
  trustDomain: string,
  { kind }: { readonly kind: 'spiffe' | 'servers' },
  bundles: ReadonlyMap<string, unknown>,
): string {
  const [option, peers] = kind === 'servers' ? ['servers', 'servers'] : ['trustDomains', 'callers']
  const effect = `so none of its ${peers} can be authenticated`
  if (bundles.has(trustDomain)) {
    return `the bundle of ${trustDomain} is empty, which revokes every certificate of the trust domain, ${effect}`
  }
  const names = [...bundles.keys()].map((name) => `'${name}'`)
  const known = [...names.slice(0, 10), ...(names.length > 10 ? [`and ${names.length - 10} more`] : [])].join(', ')
  return `${option}: found '${trustDomain}', for which the source has no bundle (it has ${known}), ${effect}; check the spelling of the name and that the source has its bundle`
}
