import './route-types.ts'

export { countersign, countersign as default, type CountersignPluginOptions } from './plugin.ts'
export type { MisspeltAllow } from './route-types.ts'
