import type { OwnCertificate } from '@countersign/spiffe'

/** Returns what an event reports about our own certificate. */
export function describeOwn(own: OwnCertificate): {
  readonly serialNumber: string
  readonly expiresAt: number
  readonly spiffeId?: string
} {
  const { serialNumber, expiresAt } = own
  return { serialNumber, expiresAt, ...('spiffeId' in own && { spiffeId: String(own.spiffeId) }) }
}
