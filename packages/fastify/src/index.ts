/**
 * The Fastify 5 plugin.
 *
 * @module @countersign/fastify
 */
export { allow, type AllowHook, type AllowRequest, type RunAllow } from './allow.ts'
export { countersign, countersign as default, type CountersignPluginOptions } from './plugin.ts'
export { type BoundTokenHook, requireBoundToken, type RunBoundToken } from './require-bound-token.ts'
export type { MisspeltAllow } from './route-types.ts'
export type { DenyingReply } from './send-denial.ts'
export type { BoundTokenOptions } from '@countersign/core/adapter'
