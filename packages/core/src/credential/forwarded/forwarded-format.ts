import { ConfigurationError } from '@countersign/spiffe'
import { findNearest, isOptions, parseOptions, refuseValue } from '@countersign/spiffe/options'
import { createAwsAlbPassthroughReader, createAwsAlbReader } from './aws-alb.ts'
import { createAzureAppServiceReader } from './azure-app-service.ts'
import { createCaddyReader } from './caddy.ts'
import { createClientCertReader } from './client-cert.ts'
import { createCloudfrontReader } from './cloudfront.ts'
import type { ForwardedReader } from './forwarded-claim.ts'
import { createGcpReader, type GcpHeaders } from './gcp.ts'
import { createHaproxyReader } from './haproxy.ts'
import { parseHeaderNames } from './header-name.ts'
import { createNginxReader } from './nginx.ts'
import { createTraefikReader } from './traefik.ts'
import { createAzureContainerAppsReader, createXfccReader } from './xfcc.ts'

export type { ForwardedClaim, ForwardedReader, HeaderLines } from './forwarded-claim.ts'

/**
 * How a proxy forwards its caller's certificate.
 *
 * - `client-cert`: the headers of RFC 9440.
 * - `xfcc`: Envoy's `X-Forwarded-Client-Cert`.
 * - `traefik`: `passTLSClientCert` with `pem: true`.
 * - `caddy`: `header_up Client-Cert :{http.request.tls.client.certificate_der_base64}:`.
 * - `nginx`: a header with `$ssl_client_escaped_cert`.
 * - `haproxy`: a header with `ssl_c_der,base64`, and one with `ssl_c_chain_der,base64` for intermediates.
 */
export type ForwardedFormat =
  | 'client-cert'
  | 'xfcc'
  | 'traefik'
  | 'caddy'
  | { readonly nginx: { readonly header: string } }
  | { readonly haproxy: { readonly header: string; readonly chainHeader?: string } }

/**
 * The same for proxies that cannot present an SVID. Cloudflare, and CloudFront in passthrough mode, send `client-cert`;
 * the sidecar of Istio sends `xfcc`.
 */
export type AssertedFormat =
  | ForwardedFormat
  | 'aws-alb'
  | 'aws-alb-passthrough'
  | 'cloudfront'
  | 'azure-app-service'
  | 'azure-container-apps'
  | { readonly gcp: GcpHeaders }

/**
 * Returns the reader for a configured format.
 *
 * @param where the name of the option, for messages
 * @throws {ConfigurationError} `option_invalid` or `option_unknown`
 */
export function parseForwardedFormat(input: unknown, where: string): ForwardedReader {
  return parseFormat(input, where, forwardedFormats)
}

/**
 * Returns the reader for a configured format of a proxy that may be unable to present an SVID.
 *
 * @param where the name of the option, for messages
 * @throws {ConfigurationError} `option_invalid` or `option_unknown`
 */
export function parseAssertedFormat(input: unknown, where: string): ForwardedReader {
  return parseFormat(input, where, assertedFormats)
}

/** The formats of one option: those that are a name, and those with options. */
interface Formats {
  readonly named: ReadonlyMap<string, () => ForwardedReader>
  readonly configured: ReadonlyMap<string, (options: unknown, where: string) => ForwardedReader>
}

const forwardedFormats: Formats = {
  named: new Map([
    ['client-cert', () => createClientCertReader('client-cert', 'client-cert-chain')],
    ['xfcc', createXfccReader],
    ['traefik', createTraefikReader],
    ['caddy', createCaddyReader],
  ]),
  configured: new Map([
    ['nginx', parseNginx],
    ['haproxy', parseHaproxy],
  ]),
}

const assertedFormats: Formats = {
  named: new Map([
    ...forwardedFormats.named,
    ['aws-alb', createAwsAlbReader],
    ['aws-alb-passthrough', createAwsAlbPassthroughReader],
    ['cloudfront', createCloudfrontReader],
    ['azure-app-service', createAzureAppServiceReader],
    ['azure-container-apps', createAzureContainerAppsReader],
  ]),
  configured: new Map([...forwardedFormats.configured, ['gcp', parseGcp]]),
}

function parseFormat(input: unknown, where: string, { named, configured }: Formats): ForwardedReader {
  if (typeof input === 'string') {
    const create = named.get(input)
    return create === undefined ? refuseFormat(input, where, [...named.keys(), ...configured.keys()]) : create()
  }
  const expected = `${[...named.keys()].map((name) => `'${name}'`).join(', ')} or an object with ${[...configured.keys()].join(' or ')}`
  if (!isOptions(input)) refuseValue(where, input, expected)
  const options = parseOptions(input, [...configured.keys()], where)
  const [entry, ...others] = Object.entries(options)
  if (entry === undefined || others.length > 0) refuseValue(where, input, `${expected}, exactly one`)
  const [name, value] = entry
  const parse = configured.get(name)
  return parse === undefined ? refuseValue(where, input, expected) : parse(value, `${where}.${name}`)
}

function refuseFormat(found: string, where: string, known: readonly string[]): never {
  const nearest = findNearest(found, known)
  const remedy = nearest === undefined ? `known are ${known.join(', ')}` : `did you mean '${nearest}'?`
  throw new ConfigurationError('option_invalid', `${where}: unknown format '${found.slice(0, 80)}'; ${remedy}`, {
    value: found,
  })
}

function parseNginx(input: unknown, where: string): ForwardedReader {
  return createNginxReader(parseHeaderNames(input, [], where).header)
}

function parseHaproxy(input: unknown, where: string): ForwardedReader {
  const { header, chainHeader } = parseHeaderNames(input, ['chainHeader'], where)
  return createHaproxyReader(header, chainHeader)
}

function parseGcp(input: unknown, where: string): ForwardedReader {
  return createGcpReader(parseHeaderNames(input, ['chainHeader', 'presentHeader'], where))
}
