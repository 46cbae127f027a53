import type { CompiledRequirement, PathSemantics, RequestHeaders } from '@countersign/authorization'
import type { ConnectedRequest } from './connection/connection-registry.ts'

/** What a guard reads of a request. Node's HTTP/1 and HTTP/2 requests both satisfy it. */
export interface GuardedRequest extends ConnectedRequest {
  readonly method?: string | undefined
  readonly url?: string | undefined
  readonly headers: RequestHeaders
  readonly rawHeaders: readonly string[]
  /** The request as Node emitted it, if this is a view of it with another target. */
  readonly received?: object | undefined
}

/** What an adapter reports about how its framework routes a request. */
export interface RequestRouting {
  /** How the router reads the path. Default: exact matching. */
  readonly semantics?: PathSemantics
  /**
   * How another router on the same route reads the path. If the two would lead to different decisions, the request is
   * denied.
   */
  readonly otherSemantics?: PathSemantics | undefined
  /** The target as received, if the framework rewrote `url`. It has to be canonical too. */
  readonly originalUrl?: string | undefined
  /** The route's own requirement, applied in addition to the rules. */
  readonly routeAllow?: CompiledRequirement | undefined
  /** The route as the framework names it, for reports such as `guard.readiness()`. Default: the path of the rule. */
  readonly routeName?: string | undefined
  /** True if the last parameter of the route is empty. The rule that covers the route may not match such a path. */
  readonly hasEmptyParameter?: boolean | undefined
}
