import type {
  FastifyBaseLogger,
  FastifySchema,
  FastifyTypeProvider,
  FastifyTypeProviderDefault,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerBase,
  RawServerDefault,
  RouteGenericInterface,
} from 'fastify'
import type { Principal, Requirement } from '@countersign/core'

/**
 * The most likely misspellings of `config.allow`, which would restrict nothing. Registration refuses these and more.
 */
export type MisspeltAllow = {
  readonly [
    Name in
      | 'Allow'
      | 'ALLOW'
      | 'aallow'
      | 'alllow'
      | 'allo'
      | 'alloow'
      | 'allow_'
      | 'allowance'
      | 'allowed'
      | 'allowing'
      | 'allows'
      | 'alloww'
      | 'allw'
      | 'allwo'
      | 'alolw'
      | 'alow'
      | 'hasAllAuthorities'
      | 'hasAnyAuthority'
      | 'hasAuthority'
      | 'inNamespace'
      | 'inTrustDomain'
      | 'serviceAccounts'
  ]?: never
}

declare module 'fastify' {
  interface FastifyRequest {
    /** The authenticated caller. Null only before the guard has run. */
    principal: Principal | null
  }
  interface FastifyContextConfig extends MisspeltAllow {
    /** Who may call this route, in addition to the rules: a requirement or a list of caller patterns. */
    allow?: Requirement | readonly string[]
  }
  // The type parameters have to repeat Fastify's own declaration exactly.
  interface RouteShorthandOptions<
    RawServer extends RawServerBase = RawServerDefault,
    RawRequest extends RawRequestDefaultExpression<RawServer> = RawRequestDefaultExpression<RawServer>,
    RawReply extends RawReplyDefaultExpression<RawServer> = RawReplyDefaultExpression<RawServer>,
    RouteGeneric extends RouteGenericInterface = RouteGenericInterface,
    ContextConfig = unknown,
    SchemaCompiler extends FastifySchema = FastifySchema,
    TypeProvider extends FastifyTypeProvider = FastifyTypeProviderDefault,
    Logger extends FastifyBaseLogger = FastifyBaseLogger,
  > {
    /** Refused: the callers of a route are restricted with `config: { allow: … }`. */
    allow?: never
  }
}
