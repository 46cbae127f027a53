import { createPrivateKey } from 'node:crypto'

/** The key as PKCS#8 DER, which is the form of the Workload API (SPIFFE Workload API §5.2.1). */
export function encodePrivateKey(pem: string): Buffer {
  return createPrivateKey(pem).export({ type: 'pkcs8', format: 'der' })
}
