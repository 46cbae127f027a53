import { Server as TlsServer, type TLSSocket } from 'node:tls'
import { nameOf } from './connection/describe-peer.ts'
import { describeLongLife, longCertificateLifetime } from './connection/material-warnings.ts'
import type { Proof } from './connection/proof.ts'
import { addressGroup } from './address-group.ts'
import type { ParsedGuardOptions } from './guard-options.ts'
import type { GuardParts } from './guard-parts.ts'

/** What a review can find. */
export type FindingId =
  /** The server is not attached to this guard, so nothing checks its requests. */
  | 'server_not_attached'
  /** A port accepts requests without TLS. */
  | 'plaintext_port'
  /** Peers may connect without a certificate, without a deadline. */
  | 'certificate_optional'
  /** Permissive mode is on, or its option was left in place after its end. */
  | 'permissive_mode'
  /** Denials are reported and not enforced. */
  | 'audit_mode'
  /** Every peer that can connect may claim to be any caller. */
  | 'forwarded_by_any_peer'
  /** A proxy may forward every caller of a trust domain. */
  | 'forwarded_too_much'
  /** A policy for emergencies is in force. */
  | 'break_glass'
  /** A rule for every path allows every workload that an accepted authority has certified. */
  | 'rule_for_everyone'
  /** Our own certificate, or that of a connected caller, is valid for a long time. */
  | 'certificate_long_lived'
  /** Several machines use the same certificate and key. */
  | 'certificate_shared'
  /** TLS 1.2 is accepted. */
  | 'tls_version'

/** One answer to the checklist of a security review. */
export interface Finding {
  readonly id: FindingId
  /** `error`: the service is not protected. `warning`: someone should decide whether this is intended. */
  readonly severity: 'error' | 'warning'
  readonly found: string
  readonly expected: string
  readonly remedy: string
}

/** What is reviewed. */
export interface ReviewedGuard {
  readonly options: ParsedGuardOptions
  readonly parts: GuardParts
  readonly server: unknown
  /** True if the server is attached to the guard. */
  readonly isAttached: boolean
  /** The number of listeners that accept TLS and plaintext on one port. */
  readonly migrationListeners: number
}

/**
 * The findings that are also reported when the service starts. The others have events of their own, or are questions for
 * a reviewer.
 */
export const startupFindings: ReadonlySet<FindingId> = new Set<FindingId>([
  'plaintext_port',
  'certificate_optional',
  'forwarded_by_any_peer',
  'forwarded_too_much',
])

/** Answers a reviewer's checklist from the running configuration, the server and its open connections. */
export function reviewGuard(reviewed: ReviewedGuard): readonly Finding[] {
  const now = Date.now()
  return Object.freeze([
    ...reviewServer(reviewed),
    ...reviewModes(reviewed, now),
    ...reviewForwarding(reviewed.options),
    ...reviewRules(reviewed.options),
    ...reviewCertificates(reviewed, now),
  ])
}

function reviewServer({ server, isAttached, migrationListeners, options }: ReviewedGuard): readonly Finding[] {
  const findings: Finding[] = []
  const isTls = server instanceof TlsServer
  if (!isAttached) {
    const found = isTls
      ? 'a TLS server that is not attached to this guard'
      : 'a server without TLS that is not attached'
    const remedy = 'create it with createServer() or the Fastify plugin, or call guard.attach(server)'
    findings.push(createError('server_not_attached', found, 'a server of this guard', remedy))
  }
  if (isAttached && !isTls) {
    const found = 'a server without TLS on a loopback address, whose peers are not authenticated'
    findings.push(
      createWarning('plaintext_port', found, 'mutual TLS', 'let the proxy connect with mutual TLS and its own SVID'),
    )
  }
  if (migrationListeners > 0) {
    const found = 'a listener that accepts TLS and plaintext on one port'
    findings.push(
      createWarning('plaintext_port', found, 'TLS only', 'remove guard.migrationListener() once all callers use TLS'),
    )
  }
  if (options.minVersion === 'TLSv1.2') {
    const found = 'TLS 1.2, which sends certificates in the clear'
    findings.push(
      createWarning('tls_version', found, 'TLS 1.3', 'remove tls.minVersion once all callers support TLS 1.3'),
    )
  }
  return findings
}

function reviewModes({ options, parts }: ReviewedGuard, now: number): readonly Finding[] {
  const { permissive, auditUntil, credentials, revisions } = options
  const { rules, policies } = revisions.latest.full
  const findings: Finding[] = []
  if (permissive !== undefined) {
    const end = new Date(permissive.until).toISOString()
    const isOpen = parts.modes.isPermissive(now)
    const found = isOpen ? `permissive mode until ${end}` : `the option permissive, which ended at ${end}`
    const remedy = isOpen
      ? 'see guard.readiness() for the callers that are left, and close each route that is ready'
      : 'remove the option permissive, and anonymous() from the rules'
    findings.push(createWarning('permissive_mode', found, 'that every caller is authenticated', remedy))
  }
  if (credentials.jwtSvid?.isWithoutCertificate === true) {
    const found = 'connections without a certificate, whose requests need a token'
    const remedy =
      'remove withoutCertificate once all callers have certificates; any recipient of a token can replay it'
    findings.push(createWarning('certificate_optional', found, 'a certificate from every peer', remedy))
  }
  const emergency = (policies?.policies ?? []).filter(({ isBreakGlass }) => isBreakGlass)
  for (const { name } of emergency) {
    const found = `the policy '${name}', which is for emergencies`
    const remedy = 'remove it, or issue its SVIDs only while there is an emergency'
    findings.push(createWarning('break_glass', found, 'policies that are always in use', remedy))
  }
  const audited = [
    ...rules.rules.filter(({ auditUntil: end = 0 }) => now < end).map(({ index }) => `rules[${index}]`),
    ...(policies?.policies ?? [])
      .filter(({ auditUntil: end = 0 }) => now < end)
      .map(({ name }) => `the policy '${name}'`),
  ]
  if (auditUntil !== undefined && now < auditUntil) audited.unshift('mode')
  if (audited.length > 0) {
    const remedy = 'see guard.auditReport() for what enforcement would deny, and remove the option'
    findings.push(createWarning('audit_mode', `audit mode: ${audited.join(', ')}`, 'that denials are enforced', remedy))
  }
  return findings
}

function reviewForwarding({ credentials }: ParsedGuardOptions): readonly Finding[] {
  const { forwarded } = credentials
  if (forwarded === undefined) return []
  const { proxies, format } = forwarded
  if (proxies === undefined) {
    const found = `dangerouslyTrustAnyPeer with the format ${format}: every peer that can connect may claim to be any caller`
    const remedy = 'give the proxy an SVID and list it in proxies, or pass TLS through to the service'
    return [createWarning('forwarded_by_any_peer', found, 'a proxy that authenticates itself', remedy)]
  }
  return proxies.listBroad().map((pattern) => {
    const found = `a proxy that may forward every caller that matches ${pattern}`
    const remedy = 'list the namespaces or the callers that are behind this proxy in forwards'
    return createWarning('forwarded_too_much', found, 'only the callers behind the proxy', remedy)
  })
}

function reviewRules({ revisions, scope }: ParsedGuardOptions): readonly Finding[] {
  const { rules, policies } = revisions.latest.full
  const { allow, index, pattern } = rules.rules.at(-1) ?? {}
  // With ALLOW policies, such a rule only says that callers have to be authenticated.
  if (allow === undefined || rules.rules.length > 1 || policies?.isAllowRequired === true) return []
  if (pattern?.path !== '' || !pattern.rest) return []
  const isOpen = 'authenticated' in allow.source || 'permitAll' in allow.source
  if (!isOpen) return []
  const who = scope.kind === 'spiffe' ? scope.trustDomains.join(', ') : 'the CA'
  const found = `rules[${index}] allows every workload of ${who} on every path`
  const remedy = 'name the callers of each route, for example with hasAuthority()'
  return [createWarning('rule_for_everyone', found, 'rules that name the callers', remedy)]
}

function reviewCertificates({ parts }: ReviewedGuard, now: number): readonly Finding[] {
  const own = parts.material.current(now)?.own
  const connections = [...parts.connections.registry.listOpen()]
  const proofs = new Map<string, { readonly proof: Proof; readonly addresses: Set<string> }>()
  for (const { verdict, socket } of connections) {
    if (verdict.ok) noteAddress(proofs, verdict.proof, socket)
  }
  const findings: Finding[] = []
  const renew = 'issue certificates for at most a day and automate their renewal'
  const ownLife = own && describeLongLife(own, longCertificateLifetime)
  if (ownLife !== undefined)
    findings.push(createWarning('certificate_long_lived', `our own certificate: ${ownLife}`, 'a short lifetime', renew))
  for (const { proof, addresses } of proofs.values()) {
    const name = Object.values(nameOf(proof)).join()
    const { notBefore, notAfter } = proof.leaf
    const life = describeLongLife({ notBefore, notAfter }, longCertificateLifetime)
    if (life !== undefined)
      findings.push(
        createWarning('certificate_long_lived', `the certificate of ${name}: ${life}`, 'a short lifetime', renew),
      )
    if (proof.leaf.sha256 === own?.sha256)
      findings.push(shared(`${name} presents the certificate of this service itself`))
    else if (addresses.size > 1)
      findings.push(shared(`${addresses.size} addresses present the same certificate of ${name}`))
  }
  return findings
}

function noteAddress(
  proofs: Map<string, { readonly proof: Proof; readonly addresses: Set<string> }>,
  proof: Proof,
  { remoteAddress }: Pick<TLSSocket, 'remoteAddress'>,
): void {
  const entry = proofs.get(proof.leaf.sha256) ?? { proof, addresses: new Set() }
  entry.addresses.add(addressGroup(remoteAddress))
  proofs.set(proof.leaf.sha256, entry)
}

function shared(found: string): Finding {
  const remedy = 'give each workload a key of its own: an agent such as SPIRE, or a certificate for each pod'
  return createWarning('certificate_shared', found, 'one key for each workload', remedy)
}

function createWarning(id: FindingId, found: string, expected: string, remedy: string): Finding {
  return Object.freeze({ id, severity: 'warning', found, expected, remedy })
}

function createError(id: FindingId, found: string, expected: string, remedy: string): Finding {
  return Object.freeze({ id, severity: 'error', found, expected, remedy })
}
