# What `make install` puts where. DESTDIR and --prefix work as usual.
file(RELATIVE_PATH LAPWING_PC_TO_PREFIX /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
configure_file(packaging/lapwing.pc.in ${CMAKE_BINARY_DIR}/lapwing.pc @ONLY)

install(TARGETS lapwing_shared lapwing_static
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
if(TARGET lapwing)
    install(TARGETS lapwing RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
install(DIRECTORY include/lapwing DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(FILES ${CMAKE_BINARY_DIR}/lapwing.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
if(EXISTS ${CMAKE_SOURCE_DIR}/docs/man/lapwing.1)
    install(FILES docs/man/lapwing.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
endif()
