/**
 * Exported as `@countersign/core/adapter`: for packages that add a guard to a framework, not for applications.
 *
 * @module @countersign/core/adapter
 */
export {
  type CompiledRequirement,
  parseRequirement,
  type PathSemantics,
  type SegmentPattern,
} from '@countersign/authorization'
export {
  describeValue,
  isCallable,
  isRecord,
  parseOptions,
  parseStringList,
  refuseValue,
} from '@countersign/spiffe/options'
export { findRecord } from './admission.ts'
export type { DenialAnswer } from './answer.ts'
export type { Verdict } from './decision-outcomes.ts'
export type { AttachOptions } from './attach-options.ts'
export type { AdapterGuard } from './adapter-guard.ts'
export {
  type BoundCaller,
  BoundTokenCheck,
  type BoundTokenOptions,
  isAbandoned,
  type TokenRefusal,
} from './credential/bound-token.ts'
export type { GuardedRequest, RequestRouting } from './guarded-request.ts'
export { isDenial } from './is-denial.ts'
export type { ReadRouting, RecognizeListener } from './listener-routing.ts'
export { forAdapter, isGuard, sharesRecords } from './recognize-guard.ts'
export { createDialer, type Dial, type Dialer } from './outgoing/dialer.ts'
export { type DialerOptions, dialerOptionNames } from './outgoing/dialer-options.ts'
export type { DialTlsOptions } from './outgoing/server-check.ts'
