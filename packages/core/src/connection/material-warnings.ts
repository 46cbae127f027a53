import type { Certificate } from '../certificate/certificate.ts'
import { describeCertificate } from '../certificate/describe.ts'
import { isSameName } from '../certificate/distinguished-name.ts'

/** Certificates that live longer than 90 days (in milliseconds) are renewed by hand, late, and by few who still know how. */
export const longCertificateLifetime: number = 90 * 24 * 60 * 60 * 1000

/** Says that a leaf lives longer than `limit` (milliseconds, default 90 days), or nothing. */
export function describeLongLife(
  { notBefore, notAfter }: { readonly notBefore: number; readonly notAfter: number },
  limit: number = longCertificateLifetime,
): string | undefined {
  const lifetime = notAfter - notBefore
  if (lifetime <= limit) return undefined
  return `it lives for ${describeDays(lifetime)}, expected at most ${describeDays(limit)}; issue it for less and renew it by a program`
}

function describeDays(milliseconds: number): string {
  const hours = milliseconds / 3_600_000
  return hours < 48 ? `${Number(hours.toPrecision(3))} hours` : `${Number((hours / 24).toPrecision(3))} days`
}

/** OpenSSL tells authorities of one name apart by their key ids only, and without them never tries the second. */
export function describeIndistinct(authorities: readonly Certificate[]): string | undefined {
  const found = authorities.find((authority, index) =>
    authorities.some(
      (other, otherIndex) =>
        otherIndex < index && authority.subjectKeyId === undefined && isSameName(other.subject, authority.subject),
    ),
  )
  if (found === undefined) return undefined
  return `${describeCertificate(found)} shares its name with another authority and has no key id, so OpenSSL refuses what it issued; give authorities key ids or names of their own`
}
