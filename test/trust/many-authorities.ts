import { toPem } from '../../packages/spiffe/src/certificate/pem.ts'
import { time } from '../certificate/encode.ts'
import { entity, issueAuthority } from '../certificate/issue.ts'

/** The DER of many authorities with different names, valid for an hour from now on, or until `notAfter`. */
export function issueMany(count: number, notAfter: number = Date.now() + 3_600_000): readonly Buffer[] {
  const fields = { notBefore: time(Date.now() - 86_400_000), notAfter: time(notAfter) }
  return Array.from({ length: count }, (_, index) => issueAuthority(entity(`authority ${index}`), { fields }))
}

export function joinPem(certificates: readonly Buffer[]): string {
  return certificates.map((der) => toPem({ der })).join('')
}
