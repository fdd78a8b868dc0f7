// swift-tools-version:5.9
import PackageDescription

// build/ is made by the lines in mobile-ffi/README.md.
let package = Package(
    name: "BinhYen",
    platforms: [.iOS(.v15)],
    products: [.library(name: "BinhYen", targets: ["BinhYen"])],
    targets: [
        .binaryTarget(name: "BinhYenCoreFFI", path: "build/BinhYenCoreFFI.xcframework"),
        .target(name: "BinhYenCore", dependencies: ["BinhYenCoreFFI"], path: "build/core"),
        .target(name: "BinhYen", dependencies: ["BinhYenCore"]),
    ]
)
