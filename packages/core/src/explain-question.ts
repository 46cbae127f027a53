import { isIP } from 'node:net'
import { SpiffeId } from '@countersign/spiffe'
import { isOptions, parseOptions, refuseValue } from '@countersign/spiffe/options'
import {
  compileRouteRequirement,
  createDenial,
  type CredentialKind,
  type Denial,
  type ExplainedAuthentication,
  isCredentialKind,
  exactSemantics,
  explainDecision,
  type Explanation,
  type PathSemantics,
  type RequestHeaders,
  type Requirement,
} from '@countersign/authorization'
import type { ParsedGuardOptions } from './guard-options.ts'
import { createHypotheticalFacts } from './hypothetical-facts.ts'
import { createHypotheticalPrincipal, createHypotheticalSubject } from './principal/create-principal.ts'
import type { Principal } from './principal/principal.ts'

/** A hypothetical request. */
export interface ExplainQuestion {
  /**
   * The caller's SPIFFE ID, or its common name or DNS name where callers are identified by that. Null for an
   * unauthenticated caller.
   */
  readonly caller: string | null
  /** What proves the caller. Default: the certificate of its connection, or behind a `proxy` what that forwards. */
  readonly credential?: CredentialKind
  /** The SPIFFE ID of the peer of the connection, if it is a proxy that forwards the caller. */
  readonly proxy?: string
  readonly method: string
  /** The path as it would be sent, percent-encoded. */
  readonly path: string
  /** The route's own requirement, if it has one. */
  readonly allow?: Requirement | readonly string[]
  /** Headers for custom requirements and policies. Default: none. */
  readonly headers?: RequestHeaders
  /** The `Host`, for policies that compare it. Default: not known. */
  readonly host?: string
  /** The port on which the service received the connection, for policies that compare it. Default: not known. */
  readonly port?: number
  /** The address of the connection's peer, for policies that compare it. Default: not known. */
  readonly socketAddress?: string
  /** The address that a listed proxy appended. Default: without a `proxy`, that of the connection's peer. */
  readonly remoteAddress?: string
  /** How the router reads paths. Default: exact matching. */
  readonly semantics?: PathSemantics
  /** How another router in front of the handler reads paths. If the two would decide differently, the request is denied. Default: there is none. */
  readonly otherSemantics?: PathSemantics
}

/** The options of a guard that decide hypothetical requests. */
export type ExplainOptions = Pick<
  ParsedGuardOptions,
  'revisions' | 'credentials' | 'scope' | 'localTrustDomain' | 'callers' | 'namespaces' | 'authorities' | 'authorizer'
>

/** What explanations need of the guard. */
export interface ExplainContext {
  readonly options: ExplainOptions
  readonly isPermissive: boolean
  /** Turns a denial into what an anonymous caller receives. */
  readonly challenge: (denial: Denial) => Denial
}

/**
 * Explains what the guard would decide, using the functions that decide real requests. The principal is hypothetical
 * and is never part of the result.
 *
 * @throws {SpiffeIdError} if callers are identified by SPIFFE ID and `caller` is not one
 * @throws {ConfigurationError} if the question is incomplete or `allow` is not a requirement
 */
export function explainQuestion(question: ExplainQuestion, context: ExplainContext): Explanation {
  checkQuestion(question)
  const { method, path, allow, headers, semantics = exactSemantics, otherSemantics } = question
  const { revisions, localTrustDomain, authorizer } = context.options
  const { principal, authentication } = supposeCredential(question, context)
  const routeAllow =
    allow === undefined ? undefined : compileRouteRequirement(allow, { where: 'explain: allow', localTrustDomain })
  const request = { principal, method, path, headers: headers ?? {}, semantics, otherSemantics, routeAllow }
  return explainDecision({
    layers: revisions.latest.current(),
    ...request,
    facts: createHypotheticalFacts({ ...question, isProxied: question.proxy !== undefined }),
    ...(authentication !== undefined && { authentication }),
    authorizer: authorizer?.name,
  })
}

/** The caller of a hypothetical request. */
interface Supposed {
  readonly principal: Principal | null
  readonly authentication?: ExplainedAuthentication
}

/** Applies the rows of `selectCredential` to a hypothetical request. */
export function supposeCredential(
  { caller, credential, proxy }: Pick<ExplainQuestion, 'caller' | 'credential' | 'proxy'>,
  context: ExplainContext,
): Supposed {
  const { options, isPermissive, challenge } = context
  if (proxy !== undefined) return supposeForwarded(caller, proxy, credential, context)
  if (credential !== undefined && !options.callers.credentials.has(credential)) {
    const denial = createDenial('credential_not_accepted', `no caller of this guard is proven by '${credential}'`)
    return { principal: null, authentication: { because: 'the credential does not count here', denial } }
  }
  const principal = caller === null ? null : suppose(caller, options, credential)
  if (principal !== null) return { principal }
  if (caller === null && isPermissive) {
    return { principal, authentication: { because: 'the caller is anonymous, while permissive mode lasts', challenge } }
  }
  const because = 'the caller is not authenticated'
  const detail = 'its connection is closed before a request is read, because it has no certificate that is accepted'
  return { principal, authentication: { because, denial: createDenial('unauthenticated', detail) } }
}

function supposeForwarded(
  caller: string | null,
  proxy: string,
  credential: CredentialKind | undefined,
  { options, isPermissive, challenge }: ExplainContext,
): Supposed {
  const { forwarded, jwtSvid } = options.credentials
  const listed = forwarded?.proxies?.findById(proxy)
  if (listed === undefined) {
    const because = `${proxy} is not a listed proxy, so the request is its own, whatever it forwards`
    return { principal: suppose(proxy, options), authentication: { because } }
  }
  if (caller === null) {
    const because = `the listed proxy ${proxy} forwards no caller, so the request is anonymous`
    const denial = isPermissive
      ? {}
      : { denial: challenge(createDenial('unauthenticated', 'permissive mode is not on')) }
    return { principal: null, authentication: { because, challenge, ...denial } }
  }
  const isToken = credential === 'jwt-svid'
  const because = `the listed proxy ${proxy} forwards ${isToken ? 'a token of the caller' : 'the caller'}`
  const isAccepted = !isToken || (jwtSvid !== undefined && listed.acceptsTokens)
  const refusal = isAccepted ? listed.refuse(SpiffeId.parse(caller)) : 'its entry does not have tokens: true'
  const denial = refusal === undefined ? {} : { denial: createDenial('forwarding_not_allowed', refusal) }
  return {
    principal: suppose(caller, options, isToken ? credential : 'forwarded'),
    authentication: { because, ...denial },
  }
}

function checkQuestion(question: unknown): void {
  const names = [
    'caller',
    'credential',
    'proxy',
    'method',
    'path',
    'allow',
    'headers',
    'host',
    'port',
    'socketAddress',
    'remoteAddress',
    'semantics',
    'otherSemantics',
  ]
  const options = parseOptions(question, names, 'explain')
  const { caller, credential, proxy, method, path, headers, semantics, otherSemantics } = options
  if (caller !== null && typeof caller !== 'string') {
    refuseValue(
      'explain: caller',
      caller,
      'the name of the caller, such as its SPIFFE ID, or null if it is not authenticated',
    )
  }
  if (credential !== undefined && !isCredentialKind(credential)) {
    refuseValue('explain: credential', credential, "a kind of credential, such as 'x509-svid' or 'jwt-svid'")
  }
  if (proxy !== undefined && typeof proxy !== 'string') {
    refuseValue('explain: proxy', proxy, 'the SPIFFE ID of the proxy that forwards the caller')
  }
  if (typeof method !== 'string' || method === '')
    refuseValue('explain: method', method, "an HTTP method such as 'GET'")
  if (typeof path !== 'string') refuseValue('explain: path', path, "the path of a request, such as '/internal/billing'")
  if (headers !== undefined && !isOptions(headers)) refuseValue('explain: headers', headers, 'an object of headers')
  checkConnection(options)
  checkSemantics(semantics, 'explain: semantics')
  checkSemantics(otherSemantics, 'explain: otherSemantics')
}

function checkConnection(options: Readonly<Record<string, unknown>>): void {
  const { host, port } = options
  if (host !== undefined && typeof host !== 'string') refuseValue('explain: host', host, "a host such as 'api.example'")
  if (port !== undefined && !Number.isInteger(port)) refuseValue('explain: port', port, 'a port such as 8443')
  for (const name of ['socketAddress', 'remoteAddress']) {
    const address = options[name]
    if (address === undefined || (typeof address === 'string' && isIP(address) !== 0)) continue
    refuseValue(`explain: ${name}`, address, "an IP address such as '10.1.2.3'")
  }
}

/**
 * Checks an option that describes how a router reads paths.
 *
 * @throws {ConfigurationError} `option_invalid`
 */
export function checkSemantics(semantics: unknown, where: string): void {
  if (semantics === undefined) return
  if (!isOptions(semantics))
    refuseValue(where, semantics, 'an object that describes how the router reads paths, or undefined')
  const { foldCase, foldTrailingSlash } = semantics
  if (foldCase !== false && foldCase !== 'ascii' && foldCase !== 'unicode' && foldCase !== 'expression') {
    refuseValue(`${where}.foldCase`, foldCase, "false, 'ascii', 'unicode' or 'expression'")
  }
  if (typeof foldTrailingSlash !== 'boolean') {
    refuseValue(`${where}.foldTrailingSlash`, foldTrailingSlash, 'true or false')
  }
}

/**
 * Returns the principal of a hypothetical caller, or null if the guard would not authenticate it.
 *
 * @throws {SpiffeIdError} if callers are identified by SPIFFE ID and `caller` is not one
 */
export function suppose(caller: string, options: ExplainOptions, credential?: CredentialKind): Principal | null {
  const { scope } = options
  if (scope.kind === 'subject') {
    const name = scope.identity.spell(caller)
    const authorities = scope.identity.find(name)
    return authorities === undefined ? null : createHypotheticalSubject(name, authorities)
  }
  const spiffeId = SpiffeId.parse(caller)
  const isAccepted = scope.trustDomains.includes(spiffeId.trustDomain) && spiffeId.path !== ''
  return isAccepted ? createHypotheticalPrincipal(spiffeId, options, credential) : null
}
