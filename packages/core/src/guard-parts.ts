import type { JwtBundleSource, NoticingJwtBundleSource } from '@countersign/spiffe/jwt'
import { AuditCounts } from './audit-counts.ts'
import { Authenticator } from './authenticator.ts'
import { BreakGlassReports } from './break-glass.ts'
import { ExchangeExpiry } from './connection/exchange-expiry.ts'
import { MaterialGate } from './connection/material-gate.ts'
import { OwnExpiry } from './connection/own-expiry.ts'
import { PeerConnections } from './connection/peer-connections.ts'
import { SourceFollower } from './connection/source-follower.ts'
import { needsNoCertificate } from './credential/credential-options.ts'
import { ForwardedVerifier } from './credential/forwarded-identity.ts'
import { identityHeaders } from './credential/forwarded/identity-headers.ts'
import { HeaderNames } from './credential/header-names.ts'
import { RequestCredentials } from './credential/request-credentials.ts'
import { TokenVerifier } from './credential/token-identity.ts'
import { DecisionOutcomes } from './decision-outcomes.ts'
import { DecisionReports } from './decision-reports.ts'
import { EventLog } from './event-log.ts'
import type { Reporter } from './events.ts'
import type { ParsedGuardOptions } from './guard-options.ts'
import { Modes } from './modes.ts'
import { RequestAdmission } from './request-admission.ts'

/** What a guard consists of. */
export interface GuardParts {
  readonly events: EventLog
  readonly material: MaterialGate
  readonly connections: PeerConnections
  readonly authenticator: Authenticator
  readonly modes: Modes
  readonly audit: AuditCounts
  readonly requests: RequestAdmission
  readonly exchanges: ExchangeExpiry
  readonly follower: SourceFollower
}

/** Creates the parts of a guard and connects them. */
export function createGuardParts(options: ParsedGuardOptions): GuardParts {
  const { source, revisions, authorizer, permissive, auditUntil, isCertificateOptional, credentials } = options
  const events = new EventLog(options.log)
  const report: Reporter = (event, wasAuthenticated) => events.report(event, wasAuthenticated)
  const material = new MaterialGate(source, options, report)
  const exchanges = new ExchangeExpiry()
  const onStrict = (): void => exchanges.endUnproved()
  const onStart = (): (() => void) => followTokens(credentials.jwtSvid?.bundles, report, () => exchanges.endUnproved())
  const modes = new Modes({ permissive, auditUntil, revisions, report, onStart, onStrict })
  const isPermissive = (now: number): boolean => modes.isPermissive(now)
  const isAlwaysOptional = needsNoCertificate(credentials)
  const connections = new PeerConnections(report, {
    ...options,
    acceptsWithoutCertificate: isCertificateOptional ? (now) => isAlwaysOptional || isPermissive(now) : undefined,
  })
  const authenticator = new Authenticator({
    options,
    connections,
    credentials: createCredentials(options, connections, modes.isPermissive(Date.now())),
    isPermissive,
  })
  const audit = new AuditCounts()
  const breakGlass = new BreakGlassReports(report)
  const reports = new DecisionReports({ registry: connections.registry, report, audit, breakGlass })
  const outcomes = new DecisionOutcomes({ revisions, authenticator, reports, modes })
  const requests = new RequestAdmission({ revisions, material, authenticator, outcomes, modes, authorizer })
  revisions.follow((change) => {
    report({ type: 'policy', at: Date.now(), ...change })
    if (change.outcome === 'loaded') modes.followRevision()
  })
  const ownExpiry = new OwnExpiry((expiring) => {
    report({ type: 'source', outcome: 'expiring', at: Date.now(), ...expiring })
  })
  const follower = new SourceFollower({
    source,
    material,
    onChange: (trustState) => {
      connections.endUnproved(trustState)
      exchanges.endUnproved()
      // A log function may replace the material of the source, so read it again.
      ownExpiry.watch(material.current(Date.now()), Date.now())
    },
    onNotice: (notice) => report({ type: 'source', ...notice }),
    onEnd: () => {
      ownExpiry.watch(undefined, Date.now())
      modes.stop()
      events.flush()
    },
  })
  return { events, material, connections, authenticator, modes, audit, requests, exchanges, follower }
}

// A token counts no longer than its bundle, and an operator has to learn when there is none.
function followTokens(bundles: JwtBundleSource | undefined, report: Reporter, onChange: () => void): () => void {
  if (bundles === undefined) return () => undefined
  const stopChanges = bundles.onChange(onChange)
  const stopNotices = isNoticing(bundles)
    ? bundles.onNotice((notice) => report({ type: 'source', ...notice, of: 'jwt-bundle' }))
    : undefined
  return () => {
    stopChanges()
    stopNotices?.()
  }
}

function isNoticing(bundles: object): bundles is Pick<NoticingJwtBundleSource, 'onNotice'> {
  return 'onNotice' in bundles
}

// Undefined if only the certificates of peers count, so that nothing is read from a request.
function createCredentials(
  { credentials, scope, ownId }: ParsedGuardOptions,
  { verdicts }: PeerConnections,
  isPermissive: boolean,
): RequestCredentials | undefined {
  const { forwarded, jwtSvid } = credentials
  if (forwarded === undefined && jwtSvid === undefined && !isPermissive) return undefined
  const trustDomains = scope.kind === 'spiffe' ? scope.trustDomains : []
  const identities = forwarded?.reader.headers ?? []
  const stripped = forwarded === undefined ? [] : [...identityHeaders, ...identities]
  return new RequestCredentials({
    names: new HeaderNames(identities, stripped, jwtSvid === undefined ? [] : ['authorization']),
    forwarded:
      forwarded === undefined || ownId === undefined
        ? undefined
        : new ForwardedVerifier({ ...forwarded, verdicts, trustDomains, own: ownId }),
    tokens: jwtSvid === undefined ? undefined : new TokenVerifier({ ...jwtSvid, trustDomains }),
  })
}
