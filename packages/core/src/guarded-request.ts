import type { CompiledRequirement, PathSemantics, RequestHeaders } from '@countersign/authorization'
import type { ConnectedRequest } from './connection/connection-registry.ts'

/** What a guard reads of a request; Node's HTTP/1 and HTTP/2 requests both have it. */
export interface GuardedRequest extends ConnectedRequest {
  readonly method?: string | undefined
  readonly url?: string | undefined
  readonly headers: RequestHeaders
  readonly rawHeaders: readonly string[]
}

/** What an adapter knows of the way that a request takes through its framework. */
export interface RequestRouting {
  /** How the router reads the path. Default: by the letter. */
  readonly semantics?: PathSemantics
  /** How another router on the way reads it; where the two would decide differently, the request is denied. */
  readonly otherSemantics?: PathSemantics | undefined
  /** The target as received, where the framework rewrote `url`: it has to be canonical too. */
  readonly originalUrl?: string | undefined
  /** What the route demands besides the rules. */
  readonly routeAllow?: CompiledRequirement | undefined
  /** Whether the last parameter of the route is empty: the rule that covers the route may not match such a path. */
  readonly hasEmptyParameter?: boolean | undefined
}
