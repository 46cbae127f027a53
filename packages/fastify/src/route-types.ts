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

/** The likeliest misspellings of `config.allow`, which would restrict nothing; registration refuses them and more. */
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
    /** Who is calling, by proof; null only before the guard has run. */
    principal: Principal | null
  }
  interface FastifyContextConfig extends MisspeltAllow {
    /** Who may call this route, besides what the rules demand: a requirement or a list of caller patterns. */
    allow?: Requirement | readonly string[]
  }
  // The type parameters are those of Fastify's own declaration, which has to be repeated as it is.
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
    /** Refused: what a route demands of its callers is `config: { allow: … }`. */
    allow?: never
  }
}
