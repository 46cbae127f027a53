export { injectedCaller, type InjectingSource } from './connection/injected-caller.ts'
