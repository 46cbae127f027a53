import { createPrivateKey } from 'node:crypto'

/** Encodes the key as PKCS#8 DER (SPIFFE Workload API §5.2.1). */
export function encodePrivateKey(pem: string): Buffer {
  return createPrivateKey(pem).export({ type: 'pkcs8', format: 'der' })
}
