// The library's face: what a program gets with `import Sluice`.
@_exported public import SluiceCore
