import type { ForwardedFormat } from '@countersign/core'
import type { TestSvid } from '@countersign/testkit'
import type { Program } from './program.ts'

/** Where a proxy reads its files, listens and finds the service. */
export interface Place {
  /** Contains the files that `writeProxyFiles` writes. */
  readonly folder: string
  readonly port: number
  readonly servicePort: number
}

/** A proxy as docs/behind-a-proxy.md configures it. */
export interface Proxy {
  readonly name: string
  readonly start: (place: Place) => Promise<RunningProxy>
  /** The option of the guard, as the page states it. */
  readonly format: ForwardedFormat
  /** The HTTP version that it speaks to the service. */
  readonly httpVersion: '1.1' | '2.0'
  /** The headers that it sends for this caller, exactly. */
  readonly forwards: (svid: TestSvid) => Readonly<Record<string, string>>
  /** The URI SANs of the certificate that it presents to callers. Default: none. */
  readonly serverUris?: readonly string[]
  /** Whether it sends the intermediates; otherwise the service needs the option `intermediates`. */
  readonly sendsChain: boolean
}

export interface RunningProxy extends Program {
  /** Makes the proxy read its SVID again after the files have been replaced. */
  readonly reload: () => Promise<void>
}

/** The headers of all proxies on the page; each proxy removes or replaces them. */
export const forwardingHeaders = [
  'client-cert',
  'client-cert-chain',
  'x-ssl-client-cert',
  'x-ssl-chain',
  'x-forwarded-client-cert',
  'x-forwarded-tls-client-cert',
] as const

/** The name and value that each of these proxies would send for an SVID, as a caller can forge them. */
export function forge({ certificates, certificatePem, spiffeId }: TestSvid): Readonly<Record<string, string>> {
  const [leaf = '', ...chain] = certificates.map((der) => der.toString('base64'))
  const escaped = encodeURIComponent(certificatePem.slice(0, certificatePem.indexOf('-----END') + 26))
  return {
    'client-cert': `:${leaf}:`,
    'client-cert-chain': chain.map((der) => `:${der}:`).join(', '),
    'x-ssl-client-cert': escaped,
    'x-ssl-chain': chain.join(''),
    'x-forwarded-client-cert': `URI=${spiffeId};Cert="${escaped}"`,
    'x-forwarded-tls-client-cert': [leaf, ...chain].join(','),
  }
}

/** PEM as nginx and Envoy escape it. */
export function escapePem(der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? []
  const pem = `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
  return encodeURIComponent(pem)
}
