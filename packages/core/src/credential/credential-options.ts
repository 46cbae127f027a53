import type { Certificate } from '@countersign/spiffe'
import { ConfigurationError, type SpiffeId } from '@countersign/spiffe'
import { parseCertificates } from '@countersign/spiffe/internal'
import type { JwtBundleSource } from '@countersign/spiffe/jwt'
import {
  checkContent,
  describeThrown,
  isCallable,
  isRecord,
  parseOptions,
  parseStringList,
  refuseValue,
} from '@countersign/spiffe/options'
import type { ForwardedReader } from './forwarded/forwarded-claim.ts'
import {
  type AssertedFormat,
  type ForwardedFormat,
  parseAssertedFormat,
  parseForwardedFormat,
} from './forwarded/forwarded-format.ts'
import { type ListedProxies, parseProxies, type ProxyOptions } from './proxies.ts'

/** What may prove a caller besides the certificate of its connection. */
export interface CredentialOptions {
  /** Callers behind proxies that terminate TLS. Default: none, and no header is read or changed. */
  readonly forwarded?: ForwardedOptions
  /** Callers without a certificate that send a JWT-SVID. Default: none. */
  readonly jwtSvid?: JwtSvidOptions
}

/** Which proxies forward callers, and how. */
export type ForwardedOptions = ListedProxyOptions | AnyPeerOptions

/** Proxies that authenticate themselves with an SVID. */
export interface ListedProxyOptions {
  readonly proxies: readonly ProxyOptions[]
  /** How these proxies forward the caller's certificate. */
  readonly format: ForwardedFormat
  /**
   * Intermediate certificates, as PEM, that complete the chains of callers, for proxies that forward only the leaf, such
   * as nginx. Default: none.
   */
  readonly intermediates?: string
}

/**
 * For proxies that cannot present an SVID, such as a cloud load balancer or the sidecar on loopback. **Every** peer that
 * can connect may claim to be any caller. Use it with a guard and a listener of their own that only the proxy can reach.
 * The callers are `'asserted'`, and satisfy only requirements that name this with `provenBy()`.
 */
export interface AnyPeerOptions {
  readonly dangerouslyTrustAnyPeer: true
  readonly format: AssertedFormat
  /** See `ListedProxyOptions`. */
  readonly intermediates?: string
}

/** Which tokens count. */
export interface JwtSvidOptions {
  /** The names of this service. A token counts only if one of its audiences is in this list. */
  readonly audiences: readonly string[]
  /**
   * Where the JWT authorities come from, such as `jwtBundleSource()` of `@countersign/workload-api`, or
   * `fileJwtBundles()` of `@countersign/spiffe/jwt`. Default: the `jwtBundles` of the guard's source, if it has any.
   */
  readonly bundles?: JwtBundleSource
  /**
   * Accepts connections without a certificate, whose requests then need a token. Default: tokens count only during
   * permissive mode, and behind proxies whose entry has `tokens: true`.
   */
  readonly withoutCertificate?: true
}

/** Validated options. */
export interface ParsedCredentials {
  readonly forwarded: ParsedForwarded | undefined
  readonly jwtSvid: ParsedJwtSvid | undefined
}

/** Validated options. */
interface ParsedForwarded {
  /** Undefined if any peer is trusted. */
  readonly proxies: ListedProxies | undefined
  readonly reader: ForwardedReader
  /** The name of the format, for messages. */
  readonly format: string
  readonly intermediates: readonly Certificate[]
}

/** Validated options. */
interface ParsedJwtSvid {
  readonly audiences: readonly string[]
  readonly bundles: JwtBundleSource
  readonly isWithoutCertificate: boolean
}

/** What the options depend on. */
interface CredentialContext {
  readonly source: object
  readonly own: SpiffeId
  readonly trustDomains: readonly string[]
}

/**
 * Validates the `credentials` option of `createGuard`. `context` is undefined for a CA without SPIFFE, with which no
 * other credentials are possible.
 *
 * @throws {ConfigurationError} `option_invalid` or `option_unknown`
 */
export function parseCredentials(input: unknown, context: CredentialContext | undefined): ParsedCredentials {
  if (input === undefined) return { forwarded: undefined, jwtSvid: undefined }
  const where = 'createGuard: credentials'
  const { forwarded, jwtSvid } = parseOptions(input, ['forwarded', 'jwtSvid'], where)
  if (context === undefined)
    refuseValue(where, input, 'none with a source created with ca, because they need SPIFFE IDs')
  const parsed = {
    forwarded: forwarded === undefined ? undefined : parseForwarded(forwarded, `${where}.forwarded`, context),
    jwtSvid: jwtSvid === undefined ? undefined : parseJwtSvid(jwtSvid, `${where}.jwtSvid`, context),
  }
  if (parsed.jwtSvid !== undefined && trustsAnyPeer(parsed)) {
    refuseValue(
      `${where}.jwtSvid`,
      jwtSvid,
      'none beside dangerouslyTrustAnyPeer; use another guard and listener for tokens',
    )
  }
  return parsed
}

/** Returns whether every peer may forward callers (`dangerouslyTrustAnyPeer`). */
export function trustsAnyPeer({ forwarded }: ParsedCredentials): boolean {
  return forwarded !== undefined && forwarded.proxies === undefined
}

/** Returns whether requests on connections without a certificate can have a credential that counts. */
export function needsNoCertificate(credentials: ParsedCredentials): boolean {
  return credentials.jwtSvid?.isWithoutCertificate === true || trustsAnyPeer(credentials)
}

function parseForwarded(input: unknown, where: string, context: CredentialContext): ParsedForwarded {
  const names = ['proxies', 'format', 'intermediates', 'dangerouslyTrustAnyPeer']
  const { proxies, format, intermediates, dangerouslyTrustAnyPeer: anyPeer } = parseOptions(input, names, where)
  const completing = intermediates === undefined ? [] : parseIntermediates(intermediates, `${where}.intermediates`)
  if (anyPeer === undefined) {
    const reader = parseForwardedFormat(format, `${where}.format`)
    return {
      proxies: parseProxies(proxies, `${where}.proxies`, context),
      reader,
      format: nameFormat(format),
      intermediates: completing,
    }
  }
  if (anyPeer !== true) refuseValue(`${where}.dangerouslyTrustAnyPeer`, anyPeer, 'true, or nothing')
  if (proxies !== undefined) {
    refuseValue(`${where}.proxies`, proxies, 'none beside dangerouslyTrustAnyPeer; use a guard and a listener for each')
  }
  return {
    proxies: undefined,
    reader: parseAssertedFormat(format, `${where}.format`),
    format: nameFormat(format),
    intermediates: completing,
  }
}

function nameFormat(format: unknown): string {
  return typeof format === 'string' ? format : Object.keys(format ?? {}).join()
}

function parseIntermediates(input: unknown, where: string): readonly Certificate[] {
  checkContent(input, where, 'PEM text')
  try {
    return parseCertificates(String(input))
  } catch (cause) {
    throw new ConfigurationError('option_invalid', `${where}: ${describeThrown(cause)}`, { cause })
  }
}

function parseJwtSvid(input: unknown, where: string, { source }: CredentialContext): ParsedJwtSvid {
  const options = parseOptions(input, ['audiences', 'bundles', 'withoutCertificate'], where)
  const { audiences, withoutCertificate } = options
  const offered: unknown = Reflect.get(source, 'jwtBundles')
  const bundles = options['bundles'] ?? offered
  if (withoutCertificate !== undefined && withoutCertificate !== true) {
    refuseValue(`${where}.withoutCertificate`, withoutCertificate, 'true, or nothing')
  }
  if (!isBundleSource(bundles)) {
    refuseValue(`${where}.bundles`, bundles, 'a source of JWT bundles, such as jwtBundleSource() or staticJwtBundles()')
  }
  const isWithoutCertificate = withoutCertificate === true
  return { audiences: parseStringList(audiences, `${where}.audiences`), bundles, isWithoutCertificate }
}

function isBundleSource(value: unknown): value is JwtBundleSource {
  return isRecord(value) && isCallable(value['current']) && isCallable(value['onChange'])
}
