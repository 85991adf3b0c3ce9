@_exported public import SluiceProviders
