import { compileCallerPatterns, parseCallerPattern } from '@countersign/authorization'
import { ConfigurationError, SpiffeId } from '@countersign/spiffe'
import { isX509Svid } from '@countersign/spiffe/internal'
import { checkListOf, isRecord, parseOptions, parseStringList, refuseValue } from '@countersign/spiffe/options'
import type { Proof } from '../connection/proof.ts'

/** A proxy that may forward callers. */
export interface ProxyOptions {
  /** The SPIFFE ID of the proxy, without wildcards: every workload that it matched could claim to be any caller. */
  readonly id: string
  /**
   * Patterns of the callers that this proxy may forward, as in `callers()`. Required, because a forwarded certificate
   * proves no possession of a key, and certificates are public.
   */
  readonly forwards: readonly string[]
  /**
   * Also accepts a JWT-SVID from a caller of this proxy that has no certificate, if `credentials.jwtSvid` is set.
   * Default: false.
   */
  readonly tokens?: true
}

/** A listed proxy. */
export interface ListedProxy {
  readonly id: SpiffeId
  readonly acceptsTokens: boolean
  /** Returns why this proxy may not forward a caller, or undefined if it may. */
  readonly refuse: (caller: SpiffeId) => string | undefined
}

/** The proxies that may forward callers, by SPIFFE ID. */
export class ListedProxies {
  readonly #proxies: ReadonlyMap<string, ListedProxy>

  readonly #patterns: readonly string[]

  /** `patterns` are those of all proxies. */
  constructor(proxies: readonly ListedProxy[], patterns: readonly string[]) {
    this.#proxies = new Map(proxies.map((proxy) => [proxy.id.toString(), proxy]))
    this.#patterns = patterns
  }

  /** Returns the listed proxy with a SPIFFE ID, for explanations, or undefined. */
  findById(spiffeId: string): ListedProxy | undefined {
    return this.#proxies.get(spiffeId)
  }

  /** Returns the patterns that match every caller of a trust domain. */
  listBroad(): readonly string[] {
    return this.#patterns.filter((pattern) => /^spiffe:\/\/[^/]+\/\*\*$/.test(pattern))
  }

  /** Returns the listed proxy that a proof is of, or undefined. */
  find(proof: Proof): ListedProxy | undefined {
    return isX509Svid(proof) ? this.#proxies.get(proof.spiffeId.toString()) : undefined
  }
}

/**
 * Parses the list of proxies. `own` is the SPIFFE ID of this service, which no proxy may forward, and nor may it forward
 * another listed proxy. A proxy of another trust domain forwards only callers of that trust domain.
 *
 * @throws {ConfigurationError} `option_invalid` or `option_unknown`
 */
export function parseProxies(
  input: unknown,
  where: string,
  { own, trustDomains }: { readonly own: SpiffeId; readonly trustDomains: readonly string[] },
): ListedProxies {
  checkListOf(input, isRecord, where, 'a list of proxies such as { id, forwards }')
  const entries: readonly unknown[] = Array.isArray(input) ? input : []
  if (entries.length === 0) refuseValue(where, input, 'at least one proxy')
  const parsed = entries.map((entry, index) => parseProxy(entry, `${where}[${index}]`, trustDomains))
  const ids = parsed.map(({ id }) => id.toString())
  for (const [index, id] of ids.entries()) {
    if (ids.indexOf(id) < index) refuseValue(`${where}[${index}].id`, id, 'each proxy once')
    if (id === own.toString())
      refuseValue(`${where}[${index}].id`, id, 'the SPIFFE ID of the proxy, which is not that of this service')
  }
  const never = new Set([...ids, own.toString()])
  return new ListedProxies(
    parsed.map(({ id, acceptsTokens, isForwarded }) => ({
      id,
      acceptsTokens,
      refuse: (caller) => {
        if (never.has(caller.toString())) return 'no proxy may forward this service itself, or a listed proxy'
        if (id.trustDomain !== own.trustDomain && caller.trustDomain !== id.trustDomain) {
          return `a proxy of ${id.trustDomain} forwards only callers of its own trust domain`
        }
        return isForwarded(caller) ? undefined : 'the SPIFFE ID matches none of the patterns in forwards of this proxy'
      },
    })),
    parsed.flatMap(({ patterns }) => patterns),
  )
}

function parseProxy(input: unknown, where: string, trustDomains: readonly string[]): ParsedProxy {
  const options = parseOptions(input, ['id', 'forwards', 'tokens'], where)
  const { forwards, tokens } = options
  const id = parseId(options['id'], `${where}.id`)
  if (!trustDomains.includes(id.trustDomain)) {
    refuseValue(
      `${where}.id`,
      id.toString(),
      `a proxy of one of ${trustDomains.join(', ')}, or its trust domain in trustDomains`,
    )
  }
  if (forwards === undefined) {
    refuseValue(
      `${where}.forwards`,
      forwards,
      "the callers that this proxy may forward, such as ['spiffe://saas.example/ns/production/**']",
    )
  }
  if (tokens !== undefined && tokens !== true) refuseValue(`${where}.tokens`, tokens, 'true, or nothing')
  const patterns = parsePatterns(forwards, `${where}.forwards`)
  return { id, acceptsTokens: tokens === true, patterns, isForwarded: compileCallerPatterns(patterns) }
}

interface ParsedProxy extends Pick<ListedProxy, 'id' | 'acceptsTokens'> {
  readonly patterns: readonly string[]
  readonly isForwarded: (caller: SpiffeId) => boolean
}

function parsePatterns(input: unknown, where: string): readonly string[] {
  const patterns = parseStringList(input, where)
  for (const [index, pattern] of patterns.entries()) parseCallerPattern(pattern, `${where}[${index}]`)
  return patterns
}

function parseId(input: unknown, where: string): SpiffeId {
  if (typeof input !== 'string') refuseValue(where, input, 'the SPIFFE ID of a proxy')
  try {
    const id = SpiffeId.parse(input)
    if (id.path !== '') return id
  } catch (cause) {
    throw new ConfigurationError(
      'option_invalid',
      `${where}: found '${input.slice(0, 80)}', expected the exact SPIFFE ID of a proxy, without wildcards`,
      { cause },
    )
  }
  return refuseValue(where, input, 'the SPIFFE ID of a proxy, with a path')
}
