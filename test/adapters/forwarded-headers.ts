import { createHash } from 'node:crypto'
import type { OutgoingHttpHeaders } from 'node:http'
import type { ProxyOptions } from '@countersign/core'
import type { TestSvid } from '@countersign/testkit'

export const proxyId = 'spiffe://saas.example/ns/edge/sa/proxy'

/** One of the formats in which a listed proxy forwards certificates. */
export interface Format {
  readonly format: 'client-cert' | 'xfcc'
  /** Returns the headers that the proxy adds for a caller. */
  readonly write: (svid: Pick<TestSvid, 'certificates'>, proxy?: string) => OutgoingHttpHeaders
  /** Returns the same with text in the place of the certificate. */
  readonly garble: (text: string) => OutgoingHttpHeaders
}

export const formats: readonly Format[] = [
  {
    format: 'client-cert',
    write: ({ certificates: [leaf = Buffer.of(), ...chain] }) => ({
      'client-cert': toItem(leaf),
      ...(chain.length > 0 && { 'client-cert-chain': chain.map(toItem).join(', ') }),
    }),
    garble: (text) => ({ 'client-cert': text }),
  },
  {
    format: 'xfcc',
    write: ({ certificates }, by = proxyId) => {
      const [leaf = Buffer.of()] = certificates
      const hash = createHash('sha256').update(leaf).digest('hex')
      const chain = encodeURIComponent(certificates.map(toPem).join(''))
      const cert = encodeURIComponent(toPem(leaf))
      return { 'x-forwarded-client-cert': `By=${by};Hash=${hash};Cert="${cert}";Chain="${chain}"` }
    },
    garble: (text) => ({ 'x-forwarded-client-cert': text }),
  },
]

/** Lists the proxy of these tests. */
export function listProxy(changes: Partial<ProxyOptions> = {}): ProxyOptions {
  return { id: proxyId, forwards: ['spiffe://saas.example/ns/production/**'], ...changes }
}

function toItem(der: Buffer): string {
  return `:${der.toString('base64')}:`
}

function toPem(der: Buffer): string {
  const lines = der.toString('base64').replaceAll(/.{64}(?!$)/g, '$&\n')
  return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`
}
