import type { FastifyInstance } from 'fastify'
import { ConfigurationError } from '@countersign/core'
import type { AdapterGuard, PathSemantics } from '@countersign/core/adapter'
import { mayRewrite } from './fastify-internals.ts'

/** How middleware engines affect the decisions of an instance. */
export interface Engines {
  /** True if one is registered before the plugin, so that its middleware runs before the hook. */
  readonly isBefore: boolean
  /** How the engines read paths, once there is one. */
  readonly semantics: PathSemantics | undefined
}

/**
 * Tracks the middleware engines of an instance, `@fastify/middie` and `@fastify/express`: plugins that add `use`. They
 * are a second router that compares paths by its own rules.
 *
 * @throws {ConfigurationError} `registration_invalid` if one is registered before the plugin and the rules cannot
 * decide before it: with `perRoute()`, without rules, or with `rewriteUrl`
 */
export function followEngines(app: FastifyInstance, guard: AdapterGuard): Engines {
  const isBefore = app.hasDecorator('use')
  if (isBefore) refuseEarlyEngine(app, guard)
  const instances: FastifyInstance[] = [app]
  app.addHook('onRegister', (child) => void instances.push(child))
  let semantics: PathSemantics | undefined
  const find = (): void => {
    const withEngine = instances.filter((instance) => instance.hasDecorator('use'))
    if (withEngine.length === 0) return
    semantics = withEngine.some((instance) => instance.hasDecorator('express')) ? expressSemantics : middieSemantics
  }
  find()
  app.addHook('onReady', (ready) => {
    find()
    ready()
  })
  return {
    isBefore,
    get semantics() {
      return semantics
    },
  }
}

function refuseEarlyEngine(app: FastifyInstance, guard: AdapterGuard): void {
  const where = '@countersign/fastify: found a middleware engine (a plugin that adds app.use) registered before it'
  const deferring = guard.rules.rules.find(({ allow }) => allow.deferToRoute)
  if (deferring !== undefined) {
    const what = guard.hasOwnRules ? `rule '${deferring.text}' leaves requests to their route` : 'a guard without rules'
    refuse(
      `${where}, and ${what}: its middleware would run before the route is known; register countersign first, or give createGuard rules that do not use perRoute()`,
    )
  }
  if (mayRewrite(app)) {
    refuse(
      `${where}, and rewriteUrl: its middleware would see a target that the guard has not checked; register countersign first`,
    )
  }
}

// Both compare the path, with reserved escapes kept, with a case-insensitive regular expression, up to a slash.
// @fastify/middie passes the target to middleware as it was sent, except below a mount path that matched only when
// decoded.
const middieSemantics: PathSemantics = Object.freeze({
  foldCase: 'expression',
  foldTrailingSlash: true,
  comparesEscaped: 'unneeded',
  decodesForExpress: 'belowEscapes',
})

const expressSemantics: PathSemantics = Object.freeze({ ...middieSemantics, decodesForExpress: 'all' })

function refuse(finding: string): never {
  throw new ConfigurationError('registration_invalid', finding)
}
