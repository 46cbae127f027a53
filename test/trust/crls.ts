import { createPrivateKey } from 'node:crypto'
import { decodeCertificate } from '../../packages/spiffe/src/certificate/decode.ts'
import { hex, time, tlv } from '../certificate/encode.ts'
import { signer } from '../certificate/issue.ts'
import { type CrlFields, encodeCrl, entry } from '../certificate/revocation-list.ts'

/*
 * Revocation lists of the testkit's authorities.
 */

/** The signer of a list. */
export interface CrlIssuer {
  readonly certificateDer: Uint8Array
  readonly keyPem: string
}

/** The content of a list. */
export interface CrlContent {
  /** Serial numbers in hex, as in certificates. */
  readonly revoked?: readonly { readonly serialNumber: string }[]
  /** Epoch milliseconds; default a minute ago. */
  readonly thisUpdate?: number
  /** Epoch milliseconds; default in an hour. */
  readonly nextUpdate?: number
  readonly fields?: Partial<CrlFields>
}

/** The DER of a list that this authority signed. */
export function crlOf({ certificateDer, keyPem }: CrlIssuer, content: CrlContent = {}): Buffer {
  const { revoked = [], thisUpdate = Date.now() - 60_000, nextUpdate = Date.now() + 3_600_000, fields } = content
  return encodeCrl({
    issuer: decodeCertificate(certificateDer).subject.der,
    signer: signer(createPrivateKey(keyPem)),
    thisUpdate: time(thisUpdate),
    nextUpdate: time(nextUpdate),
    ...(revoked.length > 0 && {
      entries: revoked.map(({ serialNumber }) => entry(tlv(0x02, hex(`00${serialNumber}`)))),
    }),
    ...fields,
  })
}

/** Different lists of one issuer that revoke nothing. */
export function listsOf(issuer: CrlIssuer, length: number): readonly Buffer[] {
  return Array.from({ length }, (_, index) => crlOf(issuer, { nextUpdate: Date.now() + 3_600_000 + index * 1000 }))
}
